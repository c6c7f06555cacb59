"""How blobs are kept in a folder: temp name, fsync, read back from the medium, `link()`, fsync of the folder."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from opendrape.adapters import store_folders as folders
from opendrape.adapters.store_folders import storage_errors
from opendrape.errors import BlobConflict, ConfigurationError, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobEntry, BlobStore, StoredBlob

PARTIAL_PREFIX: Final = ".tmp-"
_PIECE_BYTES: Final = 4 * 2**20
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class LocalBlobStore(BlobStore):
    """The blob port on one folder of a file system that knows hard links.

    A writer holds a lock on its partial file, so ``sweep_partials`` can tell the files of dead writers from those of
    living ones without asking for process ids. Symbolic links inside the folder are never followed.
    """

    def __init__(self, root: Path, *, create: bool = True) -> None:
        """``create`` makes the folder. ``ConfigurationError`` when there is none then."""
        try:
            if create:
                root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
        except OSError:
            raise ConfigurationError("a storage folder cannot be used", reason="storage_folder") from None

    def put(self, name: str, source: Path, *, sha256: str) -> StoredBlob:
        """See the port. Reasons: ``source_unreadable``, ``source_differs``, ``read_back_differs``, ``disk_full``."""
        folders.check_name(name)
        try:
            stream = source.open("rb")
        except OSError:
            raise StorageUnavailable(reason="source_unreadable") from None
        with stream:
            return self._put(name, stream, sha256)

    def put_bytes(self, name: str, content: bytes) -> StoredBlob:
        """See the port."""
        folders.check_name(name)
        return self._put(name, io.BytesIO(content), hashlib.sha256(content).hexdigest())

    def _put(self, name: str, source: BinaryIO, sha256: str) -> StoredBlob:
        with storage_errors(), folders.parent_of(self._root, name, create=True) as (folder, last):
            done = self._present(folder, name, last, sha256)
            return done or self._write(folder, name, source, sha256)

    def _write(self, folder: int, name: str, source: BinaryIO, sha256: str) -> StoredBlob:
        last = name.rpartition("/")[2]
        with _partial(folder) as (partial, descriptor):
            if _copy(source, descriptor) != sha256:
                raise StorageUnavailable(reason="source_differs")
            self._settle(descriptor)
            stored = _digest(folder, partial, name)
            if stored is None or stored.sha256 != sha256:
                raise StorageUnavailable(reason="read_back_differs")
            try:
                os.link(partial, last, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                # Another writer was first; what it wrote decides.
                stored = self._present(folder, name, last, sha256) or stored
        os.fsync(folder)
        return stored

    def _settle(self, descriptor: int) -> None:
        """Bring the bytes to the medium and forget them here, so that reading back asks the medium."""
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _present(self, folder: int, name: str, last: str, sha256: str) -> StoredBlob | None:
        try:
            stored = _digest(folder, last, name)
        except FileNotFoundError:
            return None
        if stored is None or stored.sha256 != sha256:
            raise BlobConflict
        # Its writer may have died before this.
        os.fsync(folder)
        return stored

    def digest(self, name: str) -> StoredBlob:
        """See the port."""
        with self._reading(name) as (folder, last):
            stored = _digest(folder, last, name)
            if stored is None:
                raise NotFound
            return stored

    def open(self, name: str) -> BinaryIO:
        """See the port."""
        with self._reading(name) as (folder, last):
            descriptor = _open_regular(folder, last)
            if descriptor is None:
                raise NotFound
            return os.fdopen(descriptor, "rb")

    @contextmanager
    def local_path(self, name: str) -> Iterator[Path]:
        """See the port: the blob's own file."""
        self.open(name).close()
        yield self._root / name

    def exists(self, name: str) -> bool:
        """See the port."""
        try:
            with self._reading(name) as (folder, last):
                return stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode)
        except NotFound:
            return False

    def list(self, prefix: str = "") -> Iterator[BlobEntry]:
        """See the port. Files whose names no blob could have (partial ones, too) are not blobs and are left out."""
        with storage_errors():
            for base, entry in folders.walk(self._root, prefix):
                if folders.is_part(entry.name) and (size := _size(entry)) is not None:
                    yield BlobEntry(name=base + entry.name, size_bytes=size)

    def delete(self, name: str) -> None:
        """See the port."""
        with suppress(NotFound), self._reading(name) as (folder, last):
            os.unlink(last, dir_fd=folder)
            os.fsync(folder)

    def check(self) -> None:
        """Write, read back, link and remove a small file, as a blob would be."""
        with storage_errors(), folders.opened_root(self._root) as folder, _partial(folder) as (partial, descriptor):
            os.write(descriptor, b"opendrape")
            self._settle(descriptor)
            linked = PARTIAL_PREFIX + secrets.token_hex(8)
            os.link(partial, linked, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(linked, dir_fd=folder)

    def sweep_partials(self) -> int:
        """Remove the partial files of dead writers; returns how many. Safe while others write."""
        with storage_errors():
            partials = [(base, entry.name) for base, entry in folders.walk(self._root, "")]
            return sum(self._sweep(base, name) for base, name in partials if name.startswith(PARTIAL_PREFIX))

    def _sweep(self, base: str, last: str) -> bool:
        with suppress(FileNotFoundError), folders.parent_of(self._root, base + last, create=False) as (folder, _):
            return _remove_if_dead(folder, last)
        return False

    @contextmanager
    def _reading(self, name: str) -> Iterator[tuple[int, str]]:
        folders.check_name(name)
        with storage_errors(missing=NotFound), folders.parent_of(self._root, name, create=False) as found:
            yield found


@contextmanager
def _partial(folder: int) -> Iterator[tuple[str, int]]:
    """A new, locked, empty file that is gone when the context ends, however it ends."""
    name, descriptor = _new_partial(folder)
    try:
        yield name, descriptor
    finally:
        os.close(descriptor)
        _unlink(folder, name)


def _new_partial(folder: int) -> tuple[str, int]:
    while True:
        name = PARTIAL_PREFIX + secrets.token_hex(8)
        descriptor = os.open(
            name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return name, descriptor
        # A sweeper saw it before it was locked.
        os.close(descriptor)


def _remove_if_dead(folder: int, name: str) -> bool:
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _unlink(folder, name)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _size(entry: os.DirEntry[str]) -> int | None:
    with suppress(FileNotFoundError):
        return entry.stat(follow_symlinks=False).st_size
    return None


def _unlink(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _copy(source: BinaryIO, descriptor: int) -> str:
    digest = hashlib.sha256()
    with os.fdopen(descriptor, "wb", buffering=0, closefd=False) as target:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[target.write(rest) :]
    return digest.hexdigest()


def _open_regular(folder: int, last: str) -> int | None:
    """A descriptor, or None when the name is anything but a regular file."""
    if not stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
        return None
    return os.open(last, _READ, dir_fd=folder)


def _digest(folder: int, last: str, name: str) -> StoredBlob | None:
    descriptor = _open_regular(folder, last)
    if descriptor is None:
        return None
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with os.fdopen(descriptor, "rb", buffering=0) as blob:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := blob.read(_PIECE_BYTES):
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
    return StoredBlob(name=name, sha256=sha256.hexdigest(), md5=md5.hexdigest(), size_bytes=size)
