"""How is a blob read like an open file: a position, small buffers, always the version that was opened?"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 2**20


class RangedFile(io.RawIOBase):
    """``read_range(offset, count)`` gives bytes from there, at least one; ``read_rest(offset)`` all from there."""

    def __init__(self, size: int, read_range: Callable[[int, int], bytes], read_rest: Callable[[int], bytes]) -> None:
        super().__init__()
        self._size, self._position = size, 0
        self._read_range, self._read_rest = read_range, read_rest

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The present position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to ``offset`` bytes from the start, the present position or the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer from here; less at the end."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        content = self._read_range(self._position, count) if count else b""
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self) -> bytes:
        """Everything from here."""
        content = self._read_rest(self._position) if self._position < self._size else b""
        self._position += len(content)
        return content
