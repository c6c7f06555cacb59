"""V-10, V-16, O-03: a byte of a stored result that changed is noticed whenever it changed, and its video can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from opendrape.domain.timeline import Timeline
from opendrape.domain.work import ArtefactKind, WorkKind
from opendrape.ledger.redelivery import Redelivery
from opendrape.media.assemble import assemble
from opendrape_masker import assemble_child
from opendrape_masker.stored_results import put_result
from tests.integration.masker.ledger_bench import ASSET, LedgerBench, ledger
from tests.integration.masker.workbench import moving_pattern

__all__ = ["ledger"]

pytestmark = pytest.mark.timeout(60)
CHUNKS = 2


def test_a_chunk_that_changes_while_it_is_assembled_is_found(
    ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-10, V-16: what was read is compared, not what was there before; one byte of a picture's content is enough."""
    ledger.work(CHUNKS)
    victim = ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[1].name

    def rots(chunks: Sequence[Path], *given: object, **more: object) -> None:
        flip_in_the_middle(victim)
        assemble(chunks, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(assemble_child, "assemble", rots)
    ledger.work(1)
    assert ledger.item(WorkKind.ASSEMBLE).reason == "chunk_damaged"
    assert ledger.artefacts(ArtefactKind.MASKED) == []
    ledger.assert_quiet()


def test_a_damaged_copy_of_a_result_is_no_obstacle(ledger: LedgerBench) -> None:
    """O-03: a byte that changed between storing a chunk and telling the ledger; the next attempt writes it anew."""
    ledger.work(CHUNKS)
    victim = ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[1].name
    sound = victim.read_bytes()
    flip_in_the_middle(victim)
    made = ledger.root / "made-again"
    made.write_bytes(sound)
    name, sha256 = str(victim.relative_to(ledger.root / "work")), hashlib.sha256(sound).hexdigest()
    assert put_result(ledger.work_blobs, name, made, sha256=sha256).sha256 == sha256
    assert victim.read_bytes() == sound


def test_a_damaged_chunk_is_masked_again_when_somebody_tries_again(ledger: LedgerBench) -> None:
    """O-03: the damaged copy goes, all is masked anew, and the video is assembled."""
    ledger.work(CHUNKS)
    flip_in_the_middle(ledger.root / "work" / ledger.artefacts(ArtefactKind.CHUNK)[0].name)
    ledger.work(1)
    Redelivery(ledger.catalogue, ledger.work_blobs, ledger.destination_blobs).retry(ASSET, actor="test")
    ledger.complete_plan()
    assert ledger.artefacts(ArtefactKind.CHUNK) == []
    ledger.work(CHUNKS + 1)
    assert len(ledger.artefacts(ArtefactKind.MASKED)) == 1


@pytest.mark.parametrize("after_chunks", [0, CHUNKS])
@pytest.mark.parametrize("harm", ["flipped", "gone"])
def test_a_timeline_that_changed_or_went_is_made_again_from_the_original(
    ledger: LedgerBench, harm: str, after_chunks: int
) -> None:
    """O-03, V-07: before the first chunk and before assembly; what comes out is bit for bit what was planned."""
    ledger.work(after_chunks)
    (planned,) = ledger.artefacts(ArtefactKind.TIMELINE)
    stored = ledger.root / "work" / planned.name
    flip_in_the_middle(stored) if harm == "flipped" else stored.unlink()
    ledger.work(CHUNKS + 1 - after_chunks)
    assert len(ledger.artefacts(ArtefactKind.MASKED)) == 1
    assert ledger.work_blobs.digest(planned.name).sha256 == planned.sha256


def test_a_timeline_that_does_not_come_out_again_stops_the_video_until_somebody_tries_again(
    ledger: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: another reader or another zlib since it was planned: nothing is masked by times that nobody planned."""
    flip_in_the_middle(ledger.root / "work" / ledger.artefacts(ArtefactKind.TIMELINE)[0].name)
    packed = Timeline.to_bytes
    with monkeypatch.context() as changed:
        changed.setattr(Timeline, "to_bytes", lambda timeline: packed(timeline) + bytes(1))
        ledger.work(1)
    assert ledger.item(WorkKind.MASK).reason == "timeline_damaged"
    assert ledger.artefacts(ArtefactKind.CHUNK) == []
    ledger.assert_quiet()
    Redelivery(ledger.catalogue, ledger.work_blobs, ledger.destination_blobs).retry(ASSET, actor="test")
    ledger.plan_again()
    ledger.work(CHUNKS + 1)
    assert len(ledger.artefacts(ArtefactKind.MASKED)) == 1


def test_an_original_that_changed_is_blamed_rather_than_its_timeline(ledger: LedgerBench, tmp_path: Path) -> None:
    """V-16: the times of another video are never used."""
    flip_in_the_middle(ledger.root / "work" / ledger.artefacts(ArtefactKind.TIMELINE)[0].name)
    ledger.sources.path = moving_pattern(tmp_path / "other.mp4", seconds="1").path
    ledger.work(1)
    assert ledger.item(WorkKind.MASK).reason == "source_changed"
    assert ledger.artefacts(ArtefactKind.CHUNK) == []


def flip_in_the_middle(path: Path) -> None:
    """One bit of a stored file, its length stays."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
