"""Where the bytes of an upload lie: one private file each, named by the upload's id and by nothing of its sender's."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opendrape.adapters.store_folders import storage_errors

UPLOAD_ID: Final = r"up-[0-9a-f]{32}"
_NAME = re.compile(UPLOAD_ID)
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class OpenUpload:
    """The file of one upload, held by a lock: nobody else writes to it, in any process on this file system."""

    descriptor: int

    def write(self, position: int, piece: bytes) -> None:
        """Write all of it at ``position``. ``StorageUnavailable`` (``disk_full``) as the medium says."""
        rest = memoryview(piece)
        with storage_errors():
            while rest:
                written = os.pwrite(self.descriptor, rest, position)
                rest, position = rest[written:], position + written

    def settle(self, length: int) -> None:
        """Bring everything before ``length`` to the medium and cut off what lies behind it."""
        with storage_errors():
            os.ftruncate(self.descriptor, length)
            os.fsync(self.descriptor)


class UploadFolder:
    """A folder (0700) of files (0600). It is made when the first upload begins."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, upload_id: str) -> Path:
        """Where the upload's bytes are, or will be. ``ValueError`` for anything that is not an upload's id."""
        if not _NAME.fullmatch(upload_id):
            raise ValueError("not an upload's id")
        return self._root / upload_id

    @contextmanager
    def locked(self, upload_id: str) -> Iterator[OpenUpload]:
        """The upload's file, made if need be, while nobody else has it."""
        path = self.path(upload_id)
        with storage_errors():
            descriptor = self._opened(path)
        try:
            with storage_errors():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield OpenUpload(descriptor)
        finally:
            os.close(descriptor)

    def _opened(self, path: Path) -> int:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return os.open(path, _FLAGS)
        except FileNotFoundError:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
            self._settle_names()
            return descriptor

    def _settle_names(self) -> None:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, upload_id: str) -> None:
        """Remove the bytes. Idempotent."""
        with storage_errors():
            self.path(upload_id).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The ids of every file here, sorted."""
        with storage_errors():
            if not self._root.is_dir():
                return []
            return sorted(file.name for file in self._root.iterdir() if _NAME.fullmatch(file.name))

    def free_bytes(self) -> int:
        """Room on the disk that the folder is, or will be, on."""
        with storage_errors():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            return shutil.disk_usage(self._root).free
