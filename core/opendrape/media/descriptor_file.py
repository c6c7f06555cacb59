"""How an open descriptor is read at any position without moving the offset it shares with others."""

from __future__ import annotations

import os
import stat

from opendrape.errors import MediaRefused


class DescriptorFile:
    """A read-only file over ``descriptor`` with a position of its own; closing it leaves the descriptor open.

    Several of them over one descriptor do not disturb each other. Raises :class:`MediaRefused` (``not_a_video``) for
    anything but a regular file.
    """

    name = ""

    def __init__(self, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise MediaRefused(reason="not_a_video")
        self._descriptor = descriptor
        self._position = 0
        self.size = facts.st_size

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes from the present position; empty at the end."""
        chunk = os.pread(self._descriptor, count, self._position)
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
        return os.pread(self._descriptor, count, offset)
