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
    does not answer and no other path serves.
    """

    def __init__(self, key_map: KeyMap) -> None:
        self._key_map = key_map

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
            try:
                found, _ = sha256_of(source.descriptor)
            except OSError as error:
                raise StorageUnavailable(reason="source_unreachable") from error
        if found != sha256:
            raise SourceChanged(reason="source_changed")

    def _first_unchanged(self, asset_id: str) -> OpenSource:
        obstacles: list[Exception] = []
        for record in self._key_map.sources(asset_id):
            try:
                return _open_unchanged(record)
            except (SourceChanged, StorageUnavailable) as obstacle:
                obstacles.append(obstacle)
        # a medium that may come back outweighs a file that is gone, and a change outweighs an absence
        obstacles.sort(key=_weight)
        raise obstacles[0] if obstacles else SourceChanged(reason="source_gone")


def _weight(obstacle: Exception) -> int:
    if isinstance(obstacle, StorageUnavailable):
        return 0
    return 1 if getattr(obstacle, "reason", "") == "source_changed" else 2


def _open_unchanged(record: SourceRecord) -> OpenSource:
    descriptor = _open(record.path)
    try:
        facts = os.fstat(descriptor)
        same = (facts.st_size, facts.st_mtime_ns) == (record.size_bytes, record.mtime_ns)
        if not (stat.S_ISREG(facts.st_mode) and same):
            raise SourceChanged(reason="source_changed")
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return OpenSource(descriptor=descriptor, size_bytes=record.size_bytes)


def _open(path: str) -> int:
    """The error's own text names the path: it is cut off here."""
    try:
        return os.open(path, _OPEN_FLAGS)
    except OSError as error:
        code = error.errno
    if code in _GONE:
        raise SourceChanged(reason="source_gone")
    raise StorageUnavailable(reason="source_unreachable")
