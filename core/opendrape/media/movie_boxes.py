"""What the boxes of a written MP4 say: which there are, how long the movie is shown, and whether user data is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

from opendrape.media.boxes import Box, ReadAt, boxes_between, top_level_boxes
from opendrape.media.descriptor_file import DescriptorFile

PARENTS: Final = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"})
_TABLE_HEAD_BYTES: Final = 8
SOUND_ENTRIES: Final = frozenset({b"mp4a", b"Opus", b"ac-3", b"ec-3"})
SOUND_CONFIGURATIONS: Final = frozenset({b"esds", b"dOps", b"dac3", b"dec3"})
PICTURE_ENTRIES: Final = frozenset({b"avc1", b"hvc1"})
# ISO/IEC 14496-12, 12.1.3 and 12.2.3: what a sample entry holds before its own boxes
_ENTRY_BYTES: Final = dict.fromkeys(PICTURE_ENTRIES, 78) | dict.fromkeys(SOUND_ENTRIES, 28)


@contextmanager
def opened_boxes(path: Path) -> Iterator[DescriptorFile]:
    """The file, ready to be walked."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield DescriptorFile(descriptor)
    finally:
        os.close(descriptor)


def all_boxes(file: ReadAt) -> Iterator[tuple[bytes, Box]]:
    """Every box with its path, e.g. ``moov/trak/tkhd``, in file order; unknown boxes are not looked into."""
    for box in top_level_boxes(file):
        yield from _with_children(file, b"", box)


def _with_children(file: ReadAt, above: bytes, box: Box) -> Iterator[tuple[bytes, Box]]:
    path = above + b"/" + box.kind if above else box.kind
    yield path, box
    first = _first_child(box)
    if first is not None:
        for child in boxes_between(file, first, box.end):
            yield from _with_children(file, path, child)


def _first_child(box: Box) -> int | None:
    if box.kind in PARENTS:
        return box.body
    if box.kind == b"stsd":
        return box.body + _TABLE_HEAD_BYTES
    return box.body + _ENTRY_BYTES[box.kind] if box.kind in _ENTRY_BYTES else None


def shown_seconds(file: ReadAt) -> Fraction:
    """How long the first track is shown, empty time at its start included; ``ValueError`` when it is not said."""
    boxes: dict[bytes, Box] = {}
    for path, box in all_boxes(file):
        boxes.setdefault(path, box)
    try:
        movie, track = boxes[b"moov/mvhd"], boxes[b"moov/trak/tkhd"]
    except KeyError:
        raise ValueError("no movie header") from None
    # ISO/IEC 14496-12, 8.2.2 and 8.3.2: version 1 has 64-bit times
    wide = file.at(movie.body, 1) == b"\x01"
    scale = _number(file, movie.body + (20 if wide else 12), 4)
    wide = file.at(track.body, 1) == b"\x01"
    return Fraction(_number(file, track.body + (28 if wide else 20), 8 if wide else 4), scale)


def _number(file: ReadAt, offset: int, count: int) -> int:
    return int.from_bytes(file.at(offset, count))


def blank_user_data(path: Path) -> None:
    """Turn user-data boxes inside ``moov`` into empty space of zeros, in place, so that no offset changes."""
    with opened_boxes(path) as file:
        found = [box for kinds, box in all_boxes(file) if kinds in (b"moov/udta", b"moov/trak/udta")]
    with path.open("r+b") as target:
        for box in found:
            target.seek(box.start + 4)
            target.write(b"free" + bytes(box.end - box.body))
