"""Is a real video probed in a child and cut at key frames, and a bad one refused with its reason (I-05, I-06)?"""

from __future__ import annotations

import os
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.policy import Policy
from opendrape.domain.states import AssetState
from opendrape.domain.timeline import Timeline
from opendrape.domain.work import ArtefactKind, Lease, RetryRule, WorkKind
from opendrape.errors import BlobConflict, ChildCrashed, MediaRefused
from opendrape.ledger.worker import Worker
from opendrape.media.probing import probe_in_child
from opendrape.ports.catalogue import NewAsset
from opendrape.ports.sources import OpenSource
from opendrape.settings import Settings
from opendrape_ingest.plan import PlanHandler

MEDIA = Path(os.environ.get("OPENDRAPE_TEST_MEDIA", Path(__file__).parents[4] / "shared/media/dev"))
POLICY = Policy(name="faces", summary="for tests", chunk_seconds=Fraction(2))
LEASE = Lease(1, "ar-1", WorkKind.PLAN, -1, POLICY.reference, 1, 1, "test")

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.media,
    pytest.mark.skipif(not MEDIA.is_dir(), reason="the clips are not here; name them with OPENDRAPE_TEST_MEDIA"),
]


class OneFile:
    """A source store with one original."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def open(self, asset_id: str):
        with self._path.open("rb") as file:
            yield OpenSource(file.fileno(), self._path.stat().st_size)

    def verify_digest(self, asset_id: str, sha256: str) -> None:
        return


class OnePolicy:
    def by_reference(self, ref):
        assert ref == POLICY.reference
        return POLICY


def handler(tmp_path: Path, clip: Path, **options) -> PlanHandler:
    return PlanHandler(
        settings=Settings(state_dir=tmp_path),
        sources=OneFile(clip),
        work_blobs=LocalBlobStore(tmp_path / "work"),
        policies=OnePolicy(),
        **options,
    )


def some_clip() -> Path:
    return MEDIA / "clips" / "selfie_608x1080_20s.mp4"


def test_a_video_is_cut_at_key_frames_and_its_timeline_is_stored(tmp_path):
    """I-06: every frame is in one chunk, every chunk begins where decoding can begin."""
    progress = []
    plan = handler(tmp_path, some_clip())
    planned = plan.handle(LEASE, progress.append)
    with plan.work_blobs.open(planned.timeline.name) as blob:
        timeline = Timeline.from_bytes(blob.read())
    assert planned.timeline.name == "timelines/ar-1.bin"
    assert planned.media.frame_count == len(timeline)
    assert [chunk.index for chunk in planned.chunks] == list(range(len(planned.chunks)))
    assert [frame for chunk in planned.chunks for frame in chunk.span] == list(range(len(timeline)))
    assert {chunk.span.start for chunk in planned.chunks} <= set(timeline.key_frames)
    assert (progress[0], progress[-1]) == (0.0, 1.0)


def test_planning_again_gives_the_same_plan(tmp_path):
    """An item may be handled again after a crash at any point."""
    plan = handler(tmp_path, some_clip())
    assert plan.handle(LEASE, lambda _: None) == plan.handle(LEASE, lambda _: None)


def test_the_same_timeline_in_other_bytes_is_the_same(tmp_path, monkeypatch):
    """Another zlib packs differently; what counts is what is in it."""
    plan = handler(tmp_path, some_clip())
    first = plan.handle(LEASE, lambda _: None)
    packed = Timeline.to_bytes
    monkeypatch.setattr(Timeline, "to_bytes", lambda timeline: packed(timeline) + b"\0")
    with monkeypatch.context():
        assert plan.handle(LEASE, lambda _: None).timeline == first.timeline


def test_another_timeline_under_the_same_name_is_a_conflict(tmp_path):
    plan = handler(tmp_path, some_clip())
    plan.handle(LEASE, lambda _: None)
    with pytest.raises(BlobConflict):
        handler(tmp_path, MEDIA / "odd" / "vfr.mp4").handle(LEASE, lambda _: None)


@pytest.mark.parametrize("name", ["truncated_60pct_moov_missing.mp4", "zero_length.mp4", "text_named.mp4"])
def test_bad_input_is_refused_with_a_reason_and_stores_nothing(tmp_path, name):
    """I-05: corrupt, truncated, zero-length."""
    plan = handler(tmp_path, MEDIA / "odd" / name)
    with pytest.raises(MediaRefused) as refused:
        plan.handle(LEASE, lambda _: None)
    assert refused.value.reason not in ("", "media_refused")
    assert list(plan.work_blobs.list()) == []


def test_a_probe_that_contradicts_itself_is_not_believed(tmp_path):
    def lie(descriptor, settings, on_idle):
        probed = probe_in_child(descriptor, settings, on_idle=on_idle)
        media = probed.media.model_copy(update={"frame_count": 1})
        return type(probed)(media=media, timeline=probed.timeline)

    with pytest.raises(ChildCrashed):
        handler(tmp_path, some_clip(), probe=lie).handle(LEASE, lambda _: None)


@pytest.mark.parametrize(
    ("clip", "state", "reason"),
    [
        ("clips/selfie_608x1080_20s.mp4", AssetState.MASKING, None),
        ("odd/truncated_60pct_moov_missing.mp4", AssetState.FAILED, ""),
    ],
)
def test_the_ledger_moves_on_when_a_worker_plans(tmp_path, clip, state, reason):
    """I-06: one mask item per chunk; I-05: a bad file fails with its reason and its worker lives on."""
    clock = SystemClock()
    catalogue = open_catalogue(f"sqlite:///{tmp_path / 'catalogue.sqlite3'}", clock=clock, retry=RetryRule())
    catalogue.register(NewAsset("ar-1", None, "0" * 64, 1, POLICY.reference), actor="test")
    worker = Worker(
        catalogue=catalogue,
        doorbell=InProcessDoorbell(),
        clock=clock,
        handler=handler(tmp_path, MEDIA / clip),
        owner="test",
        lease_seconds=30,
        heartbeat_seconds=5,
    )
    try:
        assert worker.run_once()
        asset = catalogue.asset("ar-1")
        assert asset.state is state
        assert (asset.reason is None) is (reason is None)
        chunks = catalogue.chunks("ar-1")
        masks = [item for item in catalogue.work_items("ar-1") if item.kind is WorkKind.MASK]
        assert len(masks) == len(chunks)
        assert bool(catalogue.artefacts("ar-1", POLICY.digest, ArtefactKind.TIMELINE)) is bool(chunks)
        assert bool(chunks) is (state is AssetState.MASKING)
    finally:
        catalogue.close()
