"""How is an original on a local disk or mounted share opened by pseudonym, and only if it is still the same?"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from opendrape.adapters.streamed_digest import sha256_of
from opendrape.errors import SourceChanged, StorageUnavailable
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape.ports.sources import OpenSource, SourceStore

# not blocking: a named pipe in the place of a video must not hold a worker
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO})


class LocalSources(SourceStore):
    """Originals by the paths that the key map remembers, latest first; the paths never leave this class.

    A path that is gone or holds something else is passed over for the next one. ``StorageUnavailable`` when a medium
    does not answer and no other path serves. A file whose modification time alone is another is read: a backup or a
    virus scanner touches files, and what counts is what is in them.
    """

    def __init__(self, key_map: KeyMap) -> None:
        self._key_map = key_map
        self._touched: dict[str, int] = {}

    @contextmanager
    def open(self, asset_id: str) -> Iterator[OpenSource]:
        """Open for the context's duration. ``SourceChanged`` (``source_gone``, ``source_changed``) as the port says."""
        source = self._first_unchanged(asset_id)
        try:
            yield source
        finally:
            os.close(source.descriptor)

    def verify_digest(self, asset_id: str, sha256: str) -> None:
        """Read the whole original and compare; ``SourceChanged`` when it differs."""
        with self.open(asset_id) as source:
            found = _sha256(source.descriptor)
        if found != sha256:
            raise SourceChanged(reason="source_changed")

    def _first_unchanged(self, asset_id: str) -> OpenSource:
        obstacles: list[Exception] = []
        for record in self._key_map.sources(asset_id):
            try:
                return self._open_unchanged(record)
            except (SourceChanged, StorageUnavailable) as obstacle:
                obstacles.append(obstacle)
        # a medium that may come back outweighs a file that is gone, and a change outweighs an absence
        obstacles.sort(key=_weight)
        raise obstacles[0] if obstacles else SourceChanged(reason="source_gone")

    def _open_unchanged(self, record: SourceRecord) -> OpenSource:
        descriptor = _open(record.path)
        try:
            if not self._is_same(descriptor, record):
                raise SourceChanged(reason="source_changed")
            os.set_blocking(descriptor, True)
        except BaseException:
            os.close(descriptor)
            raise
        return OpenSource(descriptor=descriptor, size_bytes=record.size_bytes)

    def _is_same(self, descriptor: int, record: SourceRecord) -> bool:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != record.size_bytes:
            return False
        if facts.st_mtime_ns in (record.mtime_ns, self._touched.get(record.path)):
            return True
        if _sha256(descriptor) != record.content_sha256:
            return False
        self._touched[record.path] = facts.st_mtime_ns
        return True


def _weight(obstacle: Exception) -> int:
    if isinstance(obstacle, StorageUnavailable):
        return 0
    return 1 if getattr(obstacle, "reason", "") == "source_changed" else 2


def _open(path: str) -> int:
    """The error's own text names the path: it is cut off here."""
    try:
        return os.open(path, _OPEN_FLAGS)
    except OSError as error:
        code = error.errno
    if code in _GONE:
        raise SourceChanged(reason="source_gone")
    raise StorageUnavailable(reason="source_unreachable")


def _sha256(descriptor: int) -> str:
    try:
        return sha256_of(descriptor)[0]
    except OSError as error:
        raise StorageUnavailable(reason="source_unreachable") from error
