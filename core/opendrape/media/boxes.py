"""Which boxes an ISO base media file (MP4, MOV) consists of (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_MOST_BOXES = 100_000


class ReadAt(Protocol):
    """Something with a size whose bytes can be read at any offset."""

    size: int

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``, fewer at the end."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: where it starts, where its payload starts, and where it says that it ends (maybe beyond the file)."""

    kind: bytes
    start: int
    body: int
    end: int


def top_level_boxes(file: ReadAt) -> Iterator[Box]:
    """The boxes of the first level, in file order."""
    return boxes_between(file, 0, file.size)


def boxes_between(file: ReadAt, start: int, end: int) -> Iterator[Box]:
    """The boxes in ``[start, end)``; stops at bytes that are no box. The last one may claim to end after ``end``."""
    for _ in range(_MOST_BOXES):
        box = _box_at(file, start, end)
        if box is None:
            return
        yield box
        start = box.end


def _box_at(file: ReadAt, start: int, end: int) -> Box | None:
    head = file.at(start, min(16, max(0, end - start)))
    if len(head) < 8:
        return None
    size, kind, body = int.from_bytes(head[:4]), head[4:8], start + 8
    if size == 1:
        size, body = int.from_bytes(head[8:16]), start + 16
    elif size == 0:
        size = end - start
    return Box(kind, start, body, start + size) if size >= body - start else None
