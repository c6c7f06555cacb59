"""Where bytes are kept: written once, verified by reading back, only then visible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A visible blob. ``sha256`` was computed from bytes read back from the store."""

    name: str
    sha256: str
    md5: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """A name and a size, as a listing gives them."""

    name: str
    size_bytes: int


class BlobStore(Protocol):
    """Write once. Names are ``/``-separated, relative, without ``..``; anything else is ``ValueError``.

    ``put`` is idempotent by content: the same bytes under the same name count as done, other bytes raise
    ``BlobConflict`` and leave the store as it was. A reader never sees a partial blob, also after kill -9 or power
    loss. Failures of the medium raise ``StorageUnavailable``; a missing name raises ``NotFound``.
    """

    def put(self, name: str, source: Path, *, sha256: str) -> StoredBlob:
        """Copy the file, read it back, compare with ``sha256``, then make it visible.

        ``StorageUnavailable`` (retried) when what was read back differs.
        """

    def put_bytes(self, name: str, content: bytes) -> StoredBlob:
        """The same for a small blob in memory."""

    def digest(self, name: str) -> StoredBlob:
        """Read every byte of a visible blob and digest it anew."""

    def open(self, name: str) -> BinaryIO:
        """Open for reading, seekable."""

    def local_path(self, name: str) -> AbstractContextManager[Path]:
        """A file with the blob's bytes while the context lasts; not to be written to."""

    def exists(self, name: str) -> bool:
        """True when the name is visible."""

    def list(self, prefix: str = "") -> Iterator[BlobEntry]:
        """Every visible blob under ``prefix``, in name order."""

    def delete(self, name: str) -> None:
        """Remove a blob; a missing name is not an error."""

    def check(self) -> None:
        """Really ask the medium whether a blob could be written now; ``StorageUnavailable`` when not."""
