"""Which local outputs go to the destination as they are? Only those with a genuine receipt of ours (D-05)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from opendrape.errors import OpenDrapeError, StorageUnavailable
from opendrape.ports.blobs import BlobStore
from opendrape_uploader.receipts import verify
from opendrape_uploader.stored import RECEIPT_ENDING

_UPLOADED: Final = "uploaded"
_THERE: Final = "there_already"
_PLANNED: Final = "would_upload"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One output: ``status`` is ``uploaded``, ``there_already``, ``would_upload`` or the reason of a refusal."""

    name: str
    status: str

    @property
    def ok(self) -> bool:
        """True unless it was refused or failed."""
        return self.status in (_UPLOADED, _THERE, _PLANNED)


def receipts_in(path: Path) -> list[Path]:
    """The receipts of a folder and below, or the one of an output or receipt that was named."""
    if path.is_dir():
        return sorted(path.rglob(f"*{RECEIPT_ENDING}"))
    return [path if path.name.endswith(RECEIPT_ENDING) else path.with_name(path.stem + RECEIPT_ENDING)]


def upload(receipts: list[Path], destination: BlobStore, *, public_key: Path, dry_run: bool) -> Iterator[Uploaded]:
    """Output first, then its receipt, under the names in the receipt. An output without one never leaves."""
    for receipt in receipts:
        result = verify(receipt, public_key=public_key)
        if not result.ok or result.receipt is None or not result.output_checked:
            yield Uploaded(receipt.name, "receipt_needed" if result.ok else str(result.verdict))
            continue
        facts = result.receipt.output
        try:
            yield Uploaded(facts.name, _send(receipt, facts.name, facts.sha256, destination, dry_run=dry_run))
        except OpenDrapeError as error:
            yield Uploaded(facts.name, error.reason)


def _send(receipt: Path, name: str, sha256: str, destination: BlobStore, *, dry_run: bool) -> str:
    # the receipt's signature covers the name; the store refuses anything that is no blob name
    receipt_name = name.removesuffix(PurePosixPath(name).suffix) + RECEIPT_ENDING
    there = all(_is_there(destination, wanted, dry_run=dry_run) for wanted in (name, receipt_name))
    if dry_run:
        return _THERE if there else _PLANNED
    destination.put(name, receipt.parent / name.rpartition("/")[2], sha256=sha256)
    destination.put_bytes(receipt_name, receipt.read_bytes())
    return _THERE if there else _UPLOADED


def _is_there(destination: BlobStore, name: str, *, dry_run: bool) -> bool:
    try:
        return destination.exists(name)
    except StorageUnavailable as error:
        if dry_run and error.reason == "container_missing":
            return False
        raise
