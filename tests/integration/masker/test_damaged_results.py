"""V-10, V-16, O-03: a byte of a stored result that changed is noticed whenever it changed, and its video can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from opendrape.domain.work import ArtefactKind, WorkKind
from opendrape.ledger.redelivery import Redelivery
from opendrape.media.assemble import assemble
from opendrape_masker import assemble_child
from opendrape_masker.stored_results import put_result
from tests.integration.masker.ledger_bench import ASSET, LedgerBench, ledger

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


def flip_in_the_middle(path: Path) -> None:
    """One bit of a stored file, its length stays."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
