"""How an open descriptor is read at any position without moving the offset it shares with others."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial

from opendrape.errors import MediaRefused
from opendrape.media.remote_ranges import RemoteRanges


class DescriptorFile:
    """A read-only file over ``descriptor`` with a position of its own; closing it leaves the descriptor open.

    Several of them over one descriptor do not disturb each other. The descriptor is a regular file's, or a socket at
    whose other end the parent answers for ranges; :class:`MediaRefused` (``not_a_video``) for anything else.
    """

    name = ""

    def __init__(self, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        self._position = 0
        self._read_at: Callable[[int, int], bytes]
        if stat.S_ISREG(facts.st_mode):
            self._read_at, self.size = partial(os.pread, descriptor), facts.st_size
        elif stat.S_ISSOCK(facts.st_mode):
            remote = RemoteRanges(descriptor)
            self._read_at, self.size = remote.read_at, remote.size
        else:
            raise MediaRefused(reason="not_a_video")

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes from the present position; empty at the end."""
        chunk = self._read_at(count, self._position)
        self._position += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset`` bytes from the start, the present position or the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The present position."""
        return self._position

    def seekable(self) -> bool:
        """Always true."""
        return True

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset`` (fewer at the end); the position stays."""
        return self._read_at(count, offset)
