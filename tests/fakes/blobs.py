"""How a blob store behaves when memory is its medium: the honest stand-in for tests of other parts."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from opendrape.errors import BlobConflict, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobEntry, BlobStore, StoredBlob

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*", re.ASCII)


class MemoryBlobs(BlobStore):
    """Keeps every promise of the port for as long as the process lives."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}
        self.full = False

    def put(self, name: str, source: Path, *, sha256: str) -> StoredBlob:
        _check(name)
        try:
            content = source.read_bytes()
        except OSError:
            raise StorageUnavailable(reason="source_unreadable") from None
        return self._put(name, content, sha256)

    def put_bytes(self, name: str, content: bytes) -> StoredBlob:
        _check(name)
        return self._put(name, content, hashlib.sha256(content).hexdigest())

    def _put(self, name: str, content: bytes, sha256: str) -> StoredBlob:
        if name in self._content:
            if hashlib.sha256(self._content[name]).hexdigest() != sha256:
                raise BlobConflict
            return self.digest(name)
        self.check()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StorageUnavailable(reason="source_differs")
        kept = self._settle(content)
        if hashlib.sha256(kept).hexdigest() != sha256:
            raise StorageUnavailable(reason="read_back_differs")
        self._content[name] = kept
        return self.digest(name)

    def _settle(self, content: bytes) -> bytes:
        """What the medium makes of the bytes; tests of rotten media override it."""
        return bytes(content)

    def digest(self, name: str) -> StoredBlob:
        content = self._read(name)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return StoredBlob(name, hashlib.sha256(content).hexdigest(), md5, len(content))

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self._read(name))

    @contextmanager
    def local_path(self, name: str) -> Iterator[Path]:
        content = self._read(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "blob")
            path.write_bytes(content)
            yield path

    def exists(self, name: str) -> bool:
        _check(name)
        return name in self._content

    def list(self, prefix: str = "") -> Iterator[BlobEntry]:
        for name in sorted(self._content):
            if name.startswith(prefix):
                yield BlobEntry(name, len(self._content[name]))

    def delete(self, name: str) -> None:
        _check(name)
        self._content.pop(name, None)

    def check(self) -> None:
        if self.full:
            raise StorageUnavailable(reason="disk_full")

    def _read(self, name: str) -> bytes:
        _check(name)
        try:
            return self._content[name]
        except KeyError:
            raise NotFound from None


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > 1000:
        raise ValueError("not a blob name")
