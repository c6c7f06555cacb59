"""V-16, O-03: whatever goes wrong while an item is worked on, nothing is stored, nothing is published."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import ArtefactKind, Lease, WorkKind
from opendrape.errors import (
    ChildCrashed,
    FidelityBroken,
    MediaRefused,
    OpenDrapeError,
    ResidualFound,
    ScrubIncomplete,
    SourceChanged,
    StaleLease,
    StorageUnavailable,
)
from opendrape.media import assemble, chunk_packets, movie_boxes, prove, scrub, writer
from opendrape_masker import assemble_child, children, chunk_child, digests, handlers, orders, reports, stored_results
from opendrape_masker.engine import checking, chunk, evidence, looking, paint, render
from tests.fakes.faults import Injected, Place, inject, places
from tests.integration.masker import ledger_bench
from tests.integration.masker.ledger_bench import ASSET, LedgerBench, ledger

__all__ = ["ledger"]

pytestmark = pytest.mark.timeout(60)

SERVICE = (assemble_child, children, chunk_child, digests, handlers, orders, reports, stored_results)
ENGINE = (checking, chunk, evidence, looking, paint, render)
MEDIA = (assemble, chunk_packets, movie_boxes, prove, scrub, writer)
NOT_HERE = {
    "chunk_child.Detectors.__call__",  # models are scripted here
    "chunk_child.Detectors._advised",
    "chunk_child.Detectors._advised_by",
    "chunk_child.Detectors._asked_once",
    "chunk_child.Detectors._build",
    "chunk_child.Detectors._doubted",
    "chunk_child.Detectors.reader",
    "chunk_child._session",
    "stored_results._refuse_damaged",  # nothing is damaged on the way
    "handlers.MaskHandler._take_over_picture",  # of stills: see tests/faults/journeys.py
    "orders.MaskAnswer.evidence",  # only a preview asks for it
}
CHUNKS = 2
EVERYWHERE = (*SERVICE, *ENGINE, *MEDIA)
LEAVES_SOMETHING_OPEN = {
    "evidence.EvidenceWriter.__enter__",
    "evidence.EvidenceWriter.__exit__",
    "encoding.EncodingThread._work",
    "encoding.EncodingThread.abandon",
    "writer.ChunkWriter.__exit__",
}
PLACES = [place for place in places(SERVICE) if place.label not in NOT_HERE]


def test_a_video_is_masked_and_assembled(ledger: LedgerBench) -> None:
    """I-06, O-03: every chunk, then the whole, delivery queued; scratch folders are gone."""
    ledger.work(CHUNKS)
    assert [artefact.chunk for artefact in ledger.artefacts(ArtefactKind.CHUNK)] == [0, 1]
    ledger.work(1)
    (masked,) = ledger.artefacts(ArtefactKind.MASKED)
    report = ledger.catalogue.report(ASSET, ledger_bench.LEDGER_POLICY.digest)
    assert report is not None
    assert report.frames == 75
    account = report.accounts["face"]
    assert account.examined + account.inside_track + account.bracketed == 75
    assert ledger.work_blobs.digest(masked.name).sha256 == masked.sha256
    assert ledger.open_states(WorkKind.DELIVER) == {WorkState.QUEUED}
    ledger.assert_quiet()


def test_an_item_done_again_stores_the_same_bytes_under_the_same_name(ledger: LedgerBench) -> None:
    """O-03: idempotent."""
    lease = ledger.catalogue.claim({WorkKind.MASK}, owner="a", lease_seconds=30.0)
    assert lease is not None
    first = ledger.handler.handle(lease, lambda _share: None)
    again = ledger.handler.handle(lease, lambda _share: None)
    assert first.artefact == again.artefact  # type: ignore[union-attr]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.label)
def test_a_fault_in_the_service_stores_nothing_and_the_next_attempt_succeeds(
    place: Place, ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16, O-03: each function of handlers and children, in masking and in assembling, through the real worker."""
    happened = [_attempt(place, ledger, monkeypatch, ArtefactKind.CHUNK, WorkKind.MASK)]
    ledger.clock.advance(3600)
    ledger.work(CHUNKS - len(ledger.artefacts(ArtefactKind.CHUNK)))
    happened.append(_attempt(place, ledger, monkeypatch, ArtefactKind.MASKED, WorkKind.ASSEMBLE))
    assert any(happened), "nobody calls it"
    ledger.clock.advance(3600)
    ledger.work(1 - len(ledger.artefacts(ArtefactKind.MASKED)))
    assert len(ledger.artefacts(ArtefactKind.MASKED)) == 1
    ledger.assert_quiet()


def _attempt(
    place: Place, ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch, result: ArtefactKind, kind: WorkKind
) -> bool:
    with monkeypatch.context() as patched:
        fault = inject(place, patched, everywhere=EVERYWHERE)
        ledger.work(1)
    item = ledger.item(kind)
    assert len(ledger.artefacts(result)) == (0 if fault.happened else 1)
    if fault.happened:
        assert (item.state, item.reason, item.attempts) == (WorkState.QUEUED, "unexpected", 1)
        assert not ledger.items(WorkKind.DELIVER)
    ledger.assert_quiet()
    return fault.happened


BELOW = [
    *((module, WorkKind.MASK) for module in (*ENGINE, writer)),
    *((module, WorkKind.ASSEMBLE) for module in (assemble, chunk_packets, movie_boxes, prove, scrub)),
]


@pytest.mark.parametrize(("module", "kind"), BELOW, ids=lambda value: getattr(value, "__name__", "").rpartition(".")[2])
def test_a_fault_anywhere_below_stores_nothing(
    module: ModuleType, kind: WorkKind, ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: each function of the engine and of the assembler, one at a time."""
    ledger.work(CHUNKS if kind is WorkKind.ASSEMBLE else 0)
    for place in places([module]):
        if place.label in LEAVES_SOMETHING_OPEN:
            continue
        stored, lease = ledger.stored, ledger.claim(kind)
        with monkeypatch.context() as patched:
            fault = inject(place, patched, everywhere=EVERYWHERE)
            error = _error_of(ledger, lease)
        assert fault.happened == (error is not None), place.label
        assert error is None or ledger.stored == stored, place.label
        ledger.assert_quiet()
        ledger.give_back(lease)


def _error_of(ledger: LedgerBench, lease: Lease) -> Exception | None:
    try:
        ledger.handler.handle(lease, lambda _share: None)
    except (Injected, OpenDrapeError) as error:
        return error
    return None


ENDS = [
    (MediaRefused(reason="corrupt"), WorkState.FAILED, AssetState.FAILED),
    (FidelityBroken(reason="fidelity_pixels"), WorkState.FAILED, AssetState.FAILED),
    (ResidualFound(), WorkState.FAILED, AssetState.QUARANTINED),
    (ChildCrashed(reason="child_memory"), WorkState.QUEUED, AssetState.MASKING),
    (StorageUnavailable(reason="disk_full"), WorkState.QUEUED, AssetState.MASKING),
]


@pytest.mark.parametrize(("error", "item", "asset"), ENDS, ids=lambda value: str(value))
def test_each_error_of_a_child_ends_where_the_table_says(
    error: OpenDrapeError, item: str, asset: AssetState, ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16, O-05: failed, quarantined or tried again, with the reason; nothing stored."""

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(children, "run_child", fails)
    ledger.work(1)
    tried = ledger.item(WorkKind.MASK)
    assert (str(tried.state), tried.reason) == (str(item), error.reason)
    assert ledger.catalogue.asset(ASSET).state is asset
    assert [entry for entry in ledger.stored if not entry.startswith("timelines/")] == []
    ledger.assert_quiet()


def test_a_stored_chunk_that_changed_is_not_assembled(ledger: LedgerBench) -> None:
    """V-10, V-16: bytes are read back against their digest before they become part of a video."""
    ledger.work(CHUNKS)
    victim = ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[1].name
    other = ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[0].name
    victim.chmod(0o600)
    victim.write_bytes(other.read_bytes())
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == "chunk_damaged"
    assert ledger.catalogue.asset(ASSET).state is AssetState.FAILED, "no second look mends what lies there"
    assert ledger.artefacts(ArtefactKind.MASKED) == []
    ledger.assert_quiet()


def test_a_stored_chunk_that_is_gone_is_missed(ledger: LedgerBench) -> None:
    """V-16: named as what it is."""
    ledger.work(CHUNKS)
    (ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[1].name).unlink()
    ledger.work(1)
    assert ledger.artefacts(ArtefactKind.MASKED) == []
    assert ledger.item(WorkKind.ASSEMBLE).reason == "chunk_missing"


def test_a_chunk_that_was_never_masked_is_missed(ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: a video with a hole is not assembled."""
    ledger.work(CHUNKS)
    have = ledger.artefacts(ArtefactKind.CHUNK)
    monkeypatch.setattr(ledger.catalogue, "artefacts", lambda *_: have[:1])
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == "chunk_missing"


def test_a_source_that_changed_meanwhile_is_not_assembled(ledger: LedgerBench, tmp_path: Path) -> None:
    """S-05, V-16: what was masked must be what was registered."""
    ledger.work(CHUNKS)
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(ledger.clip.path.read_bytes() + b"x")
    ledger.sources.path = changed
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == SourceChanged.default_reason
    assert ledger.artefacts(ArtefactKind.MASKED) == []
    assert not any(name.startswith("masked/") for name in ledger.stored)


def test_what_survives_scrubbing_ends_the_item(ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-09: metadata in the assembled file is no output."""
    ledger.work(CHUNKS)
    monkeypatch.setattr(assemble_child, "survivors", lambda _path, sounds=0: ("sei",))
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == ScrubIncomplete.default_reason
    assert not any(name.startswith("masked/") for name in ledger.stored)


def test_an_assembled_file_that_cannot_be_proved_ends_the_item(
    ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-10: the proof is asked for, of the file just written, against the chunks."""
    ledger.work(CHUNKS)
    join = assemble_child.assemble

    def joins_wrongly(chunks: tuple[Path, ...], path: Path, **facts: Any) -> None:
        join(chunks, path, **facts)
        content = bytearray(path.read_bytes())
        content[-200] ^= 0xFF
        path.write_bytes(content)

    monkeypatch.setattr(assemble_child, "assemble", joins_wrongly)
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == "packet_differs"
    assert not any(name.startswith("masked/") for name in ledger.stored)


def test_an_asset_that_was_never_probed_is_not_masked(ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: no facts, no work."""
    monkeypatch.setattr(ledger.catalogue, "media_info", lambda _asset: None)
    ledger.work(1)
    assert ledger.item(WorkKind.MASK).reason == "not_planned"


def test_a_lost_lease_stops_the_child_and_writes_nothing(ledger: LedgerBench) -> None:
    """R-02: progress is told while the child works, also while it says nothing."""
    lease, told = ledger.claim(WorkKind.MASK), []

    def progress(share: float) -> None:
        told.append(share)
        raise StaleLease

    with pytest.raises(StaleLease):
        ledger.handler.handle(lease, progress)
    assert len(told) == 1
    assert ledger.stored == [f"timelines/{lease.asset_id}.bin"]
    ledger.assert_quiet()
