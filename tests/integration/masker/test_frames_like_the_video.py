"""V-12, V-15: frames for a request are masked as the engine masks them in the whole video, and looked at again."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest

from opendrape.domain.frames import ChosenSegment, FrameRequest, FrameState, NewFrames
from opendrape.domain.policy import DetectRule, Policy, ResidualRule
from opendrape.domain.states import AssetState
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.domain.work import WorkKind
from opendrape.ledger.worker import _failure
from opendrape_masker import children, chunk_child
from opendrape_masker.frames import handling
from opendrape_masker.frames.handling import spans_to_mask
from tests.fakes.detectors import ScriptedDetector
from tests.integration.masker import ledger_bench
from tests.integration.masker.ledger_bench import ASSET, LEDGER_POLICY, LedgerBench, ScriptedDetectors
from tests.integration.masker.workbench import AGAIN, SIZE, SMART, Clip, walker

_WORK = {"chunk_child": "mask_chunk", "assemble_child": "assemble_chunks", "frames_child": "export_frames"}
SEGMENTS = (
    ChosenSegment(1, FrameSpan(15, 24)),
    ChosenSegment(2, FrameSpan(33, 39)),
    ChosenSegment(3, FrameSpan(60, 66)),
)
Asked = Callable[[], FrameRequest]


def run_here(module: str, spec: dict[str, Any], *, on_message: Callable[[dict[str, Any]], None], **_: object) -> Any:
    """In place of ``run_child``: the same orders and answers as JSON, without another process."""
    work = getattr(importlib.import_module(module), _WORK[module.rpartition(".")[2]])
    return json.loads(json.dumps(work(json.loads(json.dumps(spec)), on_message)))


class FrameBench(LedgerBench):
    """A planned asset, and requests for its frames."""

    @property
    def frames(self) -> Any:
        return self.catalogue.requests_for_frames

    def asked(self) -> FrameRequest:
        """Ask, work until it has ended."""
        reference = ledger_bench.LEDGER_POLICY.reference
        new = NewFrames(str(uuid4()), "ada", ASSET, reference, "png", SEGMENTS)
        self.frames.start(new, limit=5, actor="ada")
        while self.frames.request(new.request_id).ended_at is None:
            lease = self.claim(WorkKind.FRAMES)
            try:
                self.catalogue.complete(lease, self.handler.handle(lease, lambda _share: None))
            except Exception as error:  # noqa: BLE001
                self.catalogue.fail(lease, _failure(error))
        return self.frames.request(new.request_id)

    def pictures(self, request: FrameRequest) -> dict[str, Any]:
        assert request.state is FrameState.COMPLETED, request.reason
        assert request.archive is not None
        with self.work_blobs.open(request.archive.name) as blob, zipfile.ZipFile(io.BytesIO(blob.read())) as archive:
            names = [name for name in archive.namelist() if name.endswith(".png")]
            return {n: cv2.imdecode(np.frombuffer(archive.read(n), np.uint8), cv2.IMREAD_COLOR) for n in names}


def bench_of(clip: Clip, folder: Path, policy: Policy, detectors: type, patch: pytest.MonkeyPatch) -> FrameBench:
    for module in (children, handling):
        patch.setattr(module, "run_child", run_here)
    patch.setattr(chunk_child, "Detectors", detectors)
    patch.setattr(ledger_bench, "LEDGER_POLICY", policy)
    return FrameBench(clip, folder, policy=policy)


@pytest.mark.parametrize("smart", [False, True])
def test_frames_masked_for_a_request_look_as_in_the_masked_video(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smart: bool
) -> None:
    """V-12, V-03: tracks run both ways over the segment's ends; with copied groups beside encoded ones as well."""
    clip: Clip = request.getfixturevalue("groups" if smart else "clip")
    encode = SMART.encode if smart else LEDGER_POLICY.encode
    policy = LEDGER_POLICY.model_copy(update={"encode": encode})
    bench = bench_of(clip, tmp_path, policy, ScriptedDetectors, monkeypatch)
    anew = bench.pictures(bench.asked())
    assert [entry.name for entry in bench.work_blobs.list("chunks/")] == []
    while bench.catalogue.asset(ASSET).state is not AssetState.DELIVERING:
        bench.work(1)
    finished = bench.pictures(bench.asked())
    assert list(anew) == list(finished)
    assert len(anew) == sum(len(one.span) for one in SEGMENTS)
    seen = 0
    for name, pixels in anew.items():
        theirs = finished[name]
        assert ((pixels.max(axis=2) < 24) ^ (theirs.max(axis=2) < 24)).mean() < 0.02
        assert np.abs(pixels.astype(int) - theirs.astype(int)).mean() < 4
        for x0, y0, x1, y1, _ in walker(int(name[-11:-4])):
            seen += 1
            assert pixels[int(y0) : int(y1), int(x0) : int(x1)].max() < 40
    assert seen > 10
    bench.assert_quiet()
    bench.catalogue.close()


class SeesSomebody(ScriptedDetectors):
    """The second look sees a face that no mask hides."""

    def __init__(self, order: object) -> None:
        super().__init__(order)
        self._second = ScriptedDetector(lambda _frame: [(150.0, 10.0, 180.0, 40.0, 0.9)], SIZE, name="second")


def test_a_finding_of_the_second_look_quarantines_the_request(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-15: nothing is stored, the video's own journey goes on."""
    strict: ResidualRule = AGAIN.model_copy(update={"on_finding": "quarantine"})
    bench = bench_of(
        clip, tmp_path, LEDGER_POLICY.model_copy(update={"residual": (strict,)}), SeesSomebody, monkeypatch
    )
    ended = bench.asked()
    assert (ended.state, ended.reason, ended.archive) == (FrameState.QUARANTINED, "residual_found", None)
    assert list(bench.work_blobs.list("frames/")) == []
    assert bench.catalogue.asset(ASSET).state is AssetState.MASKING
    bench.assert_quiet()
    bench.catalogue.close()


class CannotLook(ScriptedDetectors):
    """A detector that fails."""

    def __call__(self, rule: DetectRule | ResidualRule) -> ScriptedDetector:
        raise ZeroDivisionError


def test_any_error_on_the_way_leaves_nothing(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: tried again a few times, then a person decides; no picture was written."""
    bench = bench_of(clip, tmp_path, LEDGER_POLICY, CannotLook, monkeypatch)
    monkeypatch.setattr(FrameBench, "claim", _claim_later)
    ended = bench.asked()
    assert (ended.state, ended.reason, ended.archive) == (FrameState.QUARANTINED, "unexpected", None)
    assert list(bench.work_blobs.list("frames/")) == []
    bench.assert_quiet()
    bench.catalogue.close()


def _claim_later(self: FrameBench, kind: WorkKind) -> Any:
    self.clock.advance(1000)
    lease = self.catalogue.claim({kind}, owner="test", lease_seconds=30.0)
    assert lease is not None
    return lease


def test_whole_groups_are_masked_and_never_across_a_seam(clip: Clip) -> None:
    """V-12: key frames at every twelfth; only what is needed."""
    timeline: Timeline = clip.timeline
    assert timeline.key_frames[:3] == (0, 12, 24)
    spans = spans_to_mask(timeline, LEDGER_POLICY, (FrameSpan(13, 14), FrameSpan(20, 23), FrameSpan(40, 41)))
    assert spans == [FrameSpan(12, 24), FrameSpan(36, 48)]
    seams = {chunk.start for chunk in timeline.chunks(LEDGER_POLICY.chunk_seconds)}
    whole = spans_to_mask(timeline, LEDGER_POLICY, (FrameSpan(0, len(timeline)),))
    assert {span.start for span in whole} == seams
    assert sum(map(len, whole)) == len(timeline)
