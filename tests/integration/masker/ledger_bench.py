"""The masker's worker on a real catalogue and real folders, its children in this process with scripted detectors."""

from __future__ import annotations

import hashlib
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.policy import DetectRule, Policy, PolicyRef, ResidualRule
from opendrape.domain.states import WorkState
from opendrape.domain.work import Artefact, ArtefactKind, Chunk, Failure, Lease, Planned, WorkItem, WorkKind
from opendrape.errors import Disposition, SourceChanged
from opendrape.ledger.worker import Handler, Worker
from opendrape.ports.catalogue import NewAsset
from opendrape.ports.sources import OpenSource
from opendrape.settings import Settings
from opendrape_ingest.plan import PlanHandler
from opendrape_masker import children, chunk_child
from opendrape_masker.handlers import MaskHandler
from tests.fakes.catalogue import memory_catalogue
from tests.fakes.clock import FakeClock
from tests.fakes.detectors import ScriptedDetector, ScriptedReader
from tests.fakes.doorbell import RecordingDoorbell
from tests.integration.masker.workbench import AGAIN, POLICY, SIZE, Clip, walker

ASSET = "ar-" + "m" * 26
LEDGER_POLICY = POLICY.model_copy(update={"residual": (AGAIN,), "chunk_seconds": Fraction(1)})


@dataclass
class OneSource:
    """Opens one file under any pseudonym."""

    path: Path

    @contextmanager
    def open(self, asset_id: str) -> Iterator[OpenSource]:
        with self.path.open("rb") as file:
            yield OpenSource(file.fileno(), self.path.stat().st_size)

    def verify_digest(self, asset_id: str, sha256: str) -> None:
        if hashlib.sha256(self.path.read_bytes()).hexdigest() != sha256:
            raise SourceChanged


@dataclass
class OnePolicy:
    """Knows one policy."""

    policy: Policy

    def by_reference(self, ref: PolicyRef) -> Policy:
        assert ref == self.policy.reference
        return self.policy


class ScriptedDetectors:
    """In place of the child's models."""

    def __init__(self, _order: object) -> None:
        self._first = ScriptedDetector(walker, SIZE)
        self._second = ScriptedDetector({}, SIZE, name="second")

    def __call__(self, rule: DetectRule | ResidualRule) -> ScriptedDetector:
        return self._first if isinstance(rule, DetectRule) else self._second

    def reader(self) -> ScriptedReader:
        return ScriptedReader("")


_WORK = {
    "opendrape_masker.chunk_child": "mask_chunk",
    "opendrape_masker.assemble_child": "assemble_chunks",
}


def run_here(
    module: str, spec: dict[str, Any], *, on_message: Callable[[dict[str, Any]], None], **_walls: object
) -> dict[str, Any]:
    """In place of ``run_child``: the same orders and answers as JSON, without another process."""
    work = getattr(importlib.import_module(module), _WORK[module])
    answer: dict[str, Any] = json.loads(json.dumps(work(json.loads(json.dumps(spec)), on_message)))
    return answer


@dataclass
class LedgerBench:
    """One planned asset, and the parts that the handler takes from a container."""

    clip: Clip
    root: Path
    policy: Policy = LEDGER_POLICY
    clock: FakeClock = field(default_factory=FakeClock)
    doorbell: RecordingDoorbell = field(default_factory=RecordingDoorbell)

    def __post_init__(self) -> None:
        self.settings = Settings(state_dir=self.root / "var", destination=self.root / "out")
        self.catalogue: SqlCatalogue = memory_catalogue(self.clock)
        self.work_blobs = LocalBlobStore(self.root / "work")
        self.destination_blobs = LocalBlobStore(self.root / "out")
        self.sources = OneSource(self.clip.path)
        self.policies = OnePolicy(self.policy)
        self.handler = MaskHandler(self)
        self._plan()

    def _plan(self) -> None:
        digest = hashlib.sha256(self.clip.path.read_bytes()).hexdigest()
        self.catalogue.register(NewAsset(ASSET, None, digest, 1, self.policy.reference), actor="test")
        self.complete_plan()

    def complete_plan(self) -> None:
        """As ingest would."""
        lease = self.catalogue.claim({WorkKind.PLAN}, owner="test", lease_seconds=60.0)
        assert lease is not None
        blob = self.work_blobs.put_bytes(f"timelines/{ASSET}.bin", self.clip.timeline.to_bytes())
        timeline = Artefact(ArtefactKind.TIMELINE, blob.name, blob.sha256, blob.size_bytes)
        spans = self.clip.timeline.chunks(self.policy.chunk_seconds)
        chunks = tuple(Chunk(index, span) for index, span in enumerate(spans))
        self.catalogue.complete(lease, Planned(media=self.clip.media, timeline=timeline, chunks=chunks))

    def plan_again(self) -> None:
        """By the planner itself, from the original."""
        plan = PlanHandler(self.settings, self.sources, self.work_blobs, self.policies)
        assert self.worker_for(plan).run_once()

    @property
    def worker(self) -> Worker:
        return self.worker_for(self.handler)

    def worker_for(self, handler: Handler) -> Worker:
        return Worker(
            catalogue=self.catalogue,
            doorbell=self.doorbell,
            clock=self.clock,
            handler=handler,
            owner="masker",
            lease_seconds=30.0,
            heartbeat_seconds=60.0,
            on_event=lambda _event, _fields: None,
        )

    def work(self, times: int) -> None:
        for _ in range(times):
            assert self.worker.run_once()

    def claim(self, kind: WorkKind) -> Lease:
        lease = self.catalogue.claim({kind}, owner="test", lease_seconds=30.0)
        assert lease is not None
        return lease

    def give_back(self, lease: Lease) -> None:
        """The attempt does not count; what it may have put into the store goes."""
        self.catalogue.fail(lease, Failure(reason="stopping", disposition=Disposition.ABANDON))
        folder = {WorkKind.MASK: "chunks", WorkKind.ASSEMBLE: "masked"}[lease.kind]
        for path in (self.root / "work" / folder).rglob("*"):
            if path.is_file():
                path.unlink()

    def artefacts(self, kind: ArtefactKind) -> list[Artefact]:
        return list(self.catalogue.artefacts(ASSET, self.policy.digest, kind))

    def items(self, kind: WorkKind) -> list[WorkItem]:
        """In chunk order."""
        return [item for item in self.catalogue.work_items(ASSET) if item.kind is kind]

    def item(self, kind: WorkKind) -> WorkItem:
        """The first one."""
        return self.items(kind)[0]

    @property
    def stored(self) -> list[str]:
        return sorted(entry.name for entry in self.work_blobs.list())

    def assert_quiet(self) -> None:
        """Nothing at the destination, no scratch folder, no thread."""
        assert list(self.destination_blobs.list()) == []
        scratch = self.settings.scratch_dir
        assert not scratch.exists() or list(scratch.iterdir()) == []
        left = [t.name for t in threading.enumerate() if t.name.startswith(("look", "encode", "heart"))]
        assert left == []

    def open_states(self, kind: WorkKind) -> set[WorkState]:
        return {item.state for item in self.items(kind)}


@pytest.fixture
def ledger(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerBench]:
    """A planned asset of two or more chunks; children run in this process."""
    monkeypatch.setattr(children, "run_child", run_here)
    monkeypatch.setattr(chunk_child, "Detectors", ScriptedDetectors)
    bench = LedgerBench(clip, tmp_path)
    yield bench
    bench.catalogue.close()
