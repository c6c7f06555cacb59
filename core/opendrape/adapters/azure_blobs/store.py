"""How are blobs kept in a container: staged, committed once, read back whole, and only then visible to our readers?"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from opendrape.adapters.azure_blobs.account import Account
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.facts import Facts
from opendrape.adapters.azure_blobs.putting import Source, put
from opendrape.adapters.azure_blobs.reading import Version
from opendrape.adapters.azure_blobs.seekable import BUFFER_BYTES, RangedFile
from opendrape.adapters.azure_blobs.session import ContainerSession
from opendrape.adapters.azure_blobs.tuning import RANGE_BYTES, Tuning
from opendrape.adapters.store_folders import check_name, is_part, storage_errors
from opendrape.errors import ConfigurationError, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobEntry, BlobStore, StoredBlob


class AzureBlobStore(BlobStore):
    """The blob port on one container, below ``prefix``. One thread with an event loop does all requests.

    ``scratch`` is where ``local_path`` puts its copies. Nothing is asked before the first call; ``create=False`` never
    makes a container. ``ConfigurationError`` when container, prefix or account cannot be right. Close it when done.
    """

    def __init__(
        self,
        account: Account,
        container: str,
        *,
        prefix: str = "",
        scratch: Path | None = None,
        create: bool = True,
        tuning: Tuning = Tuning(),
    ) -> None:
        self._scratch = scratch
        self.session = ContainerSession(
            account, container, prefix=_checked_prefix(prefix), create=create, tuning=tuning
        )

    def close(self) -> None:
        """End connections and thread. Idempotent; a later call opens them again."""
        self.session.close()

    @property
    def requests(self) -> int:
        """How many requests were made so far, repeated ones too."""
        return self.session.requests

    def put(self, name: str, source: Path, *, sha256: str) -> StoredBlob:
        """See the port. Reasons: ``source_unreadable``, ``source_differs``, ``read_back_differs``."""
        check_name(name)
        try:
            with source.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                return self._put(name, Source(stream, size, sha256))
        except OSError:
            raise StorageUnavailable(reason="source_unreadable") from None

    def put_bytes(self, name: str, content: bytes) -> StoredBlob:
        """See the port."""
        check_name(name)
        return self._put(name, Source(io.BytesIO(content), len(content), hashlib.sha256(content).hexdigest()))

    def digest(self, name: str) -> StoredBlob:
        """See the port."""
        facts, version = self._visible(name)

        async def read(container: Container) -> StoredBlob:
            found = await container.reader.digests(version)
            if found.sha256 != facts.sha256:
                found = await container.reader.digests(version, careful=True)
            return StoredBlob(name, found.sha256, found.md5, found.size_bytes)

        return self.session.do(read)

    def open(self, name: str) -> BinaryIO:
        """See the port. Ranges of the version that was opened; another one raises ``StorageUnavailable``."""
        facts, version = self._visible(name)

        def read_range(offset: int, count: int) -> bytes:
            count = min(count, RANGE_BYTES)
            return self.session.do(lambda container: container.reader.range(version, offset, count))

        def read_rest(offset: int) -> bytes:
            return self.session.do(lambda container: _rest(container, version, offset))

        return io.BufferedReader(RangedFile(facts.size_bytes, read_range, read_rest), BUFFER_BYTES)

    @contextmanager
    def local_path(self, name: str) -> Iterator[Path]:
        """See the port: a copy in the scratch folder, compared with the blob's SHA-256, gone afterwards."""
        facts, version = self._visible(name)
        with self._room_for(facts.size_bytes) as folder:
            path = folder / name.rpartition("/")[2]
            if self.session.do(lambda container: _download(container, version, path)) != facts.sha256:
                raise StorageUnavailable(reason="read_back_differs")
            yield path

    def exists(self, name: str) -> bool:
        """See the port."""
        check_name(name)
        facts = self.session.do(lambda container: container.look(name))
        return facts is not None and facts.is_verified

    def list(self, prefix: str = "") -> Iterator[BlobEntry]:
        """See the port. Blobs that nobody has read back, and those of other programs, are left out."""
        token: str | None = None
        while True:
            found, token = self.session.do(lambda container, token=token: container.page(prefix, token))  # type: ignore[misc]
            for name, facts in found:
                if facts.is_verified and all(is_part(part) for part in name.split("/")):
                    yield BlobEntry(name, facts.size_bytes)
            if not token:
                return

    def delete(self, name: str) -> None:
        """See the port."""
        check_name(name)
        self.session.do(lambda container: container.delete(name))

    def check(self) -> None:
        """Stage a block under a name that no blob can have and ask for it: nothing becomes visible."""
        self.session.do(lambda container: container.probe())

    def _put(self, name: str, source: Source) -> StoredBlob:
        return self.session.do(lambda container: put(container, name, source))

    def _visible(self, name: str) -> tuple[Facts, Version]:
        check_name(name)

        async def look(container: Container) -> tuple[Facts, Version]:
            facts = await container.look(name)
            if facts is None or not facts.is_verified:
                raise NotFound
            return facts, container.version(name, facts)

        return self.session.do(look)

    @contextmanager
    def _room_for(self, size: int) -> Iterator[Path]:
        with storage_errors():
            folder = self._new_folder(size)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _new_folder(self, size: int) -> Path:
        if self._scratch is not None:
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="blob-", dir=self._scratch))
        if shutil.disk_usage(folder).free < size:
            folder.rmdir()
            raise StorageUnavailable(reason="disk_full")
        return folder


async def _rest(container: Container, version: Version, offset: int) -> bytes:
    return b"".join([piece async for piece in container.reader.pieces(version, start=offset, careful=True)])


async def _download(container: Container, version: Version, path: Path) -> str:
    digest = hashlib.sha256()

    def keep(piece: bytes, sink: BinaryIO) -> None:
        digest.update(piece)
        sink.write(piece)

    with path.open("xb") as sink:
        async for piece in container.reader.pieces(version, careful=True):
            await asyncio.to_thread(keep, piece, sink)
    return digest.hexdigest()


def _checked_prefix(prefix: str) -> str:
    trimmed = prefix.strip("/")
    if not trimmed:
        return ""
    if not all(is_part(part) for part in trimmed.split("/")):
        raise ConfigurationError("a blob prefix has plain parts between slashes", reason="blob_settings")
    return trimmed + "/"
