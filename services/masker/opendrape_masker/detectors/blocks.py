"""Reading lines that a text detector took for one: on a label or a page out of focus they run into each other (V-04).

A reader takes one line at a time. A box that says nothing as a line is cut into level bands of several heights that
overlap by half, so that one of them holds one of the lines, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import Final, Protocol

import numpy as np

from opendrape_masker.detectors.detection import Picture
from opendrape_masker.detectors.reading import Box, ReadLine

_LABEL: Final = (2, 3, 5)  # heights of bands, as parts of the box; a line is read in a band up to twice as high
_PAGE: Final = (2, 3, 5, 8, 12)
_LENGTH: Final = 4  # of a band, in its heights, about the middle of the box: half a line says enough
_LEAST_HEIGHT: Final = 16  # of a box, in pixels: two lines of which each is lower cannot be read
_LARGE: Final = 0.5  # of the picture's shorter side: no single line of an operation is as high
_BANDS_OF_A_PAGE: Final = 2  # that must say something: a line lies in several, a smooth picture says one by chance
_CHARACTERS: Final = 4  # that a band must say: there are many, and tissue says three by chance


class LineReader(Protocol):
    """Reads upright lines; see ``TextReader``."""

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        """What the boxes say, and how sure that is."""


@dataclass(frozen=True)
class BlockReader:
    """A ``LineReader`` that also reads boxes with several lines."""

    inner: LineReader

    def read_text(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        """One string per box (x0, y0, x1, y1 in pixels); see ``TextLineReader``."""
        return [line.text for line in self.read_lines(picture, boxes)]

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        """Per box the line it is, or the first of its lines that says something.

        Of a box with several lines the least certain character is told as 0: what the other lines say is not known, so
        nobody may take it for harmless.
        """
        lines = self.inner.read_lines(picture, boxes)
        return [
            line if line.says_something else self.read_block(picture, box) or line
            for line, box in zip(lines, boxes, strict=True)
        ]

    def read_block(self, picture: Picture, box: Box) -> ReadLine | None:
        """The first line in the box that says something; None when none does, or one band alone of a large box."""
        part, is_page = _part(picture, box), is_large(picture, box)
        plan = [(0, _PAGE), (1, _LABEL), (-1, _LABEL)] if is_page else [(0, _LABEL)]
        speaking = (
            replace(line, weakest=0.0) for quarters, counts in plan for line in self._lines(part, quarters, counts)
        )
        return next(islice(speaking, _BANDS_OF_A_PAGE - 1 if is_page else 0, None), None)

    def _lines(self, part: Picture, quarters: int, counts: Sequence[int]) -> Iterator[ReadLine]:
        standing = np.ascontiguousarray(np.rot90(part, quarters))
        height, width = standing.shape[:2]
        for count in counts:
            for line in self.inner.read_lines(standing, bands(width, height, count)):
                if line.says_something and line.characters >= _CHARACTERS:
                    yield line


def bands(width: int, height: int, count: int) -> list[Box]:
    """Boxes about the middle of ``width`` x ``height`` pixels, each a ``count``-th as high, every half of that.

    None where two lines find no room.
    """
    if height < _LEAST_HEIGHT or not width:
        return []
    high = height / count
    half = min(width, _LENGTH * high) / 2
    return [(width / 2 - half, top * high / 2, width / 2 + half, top * high / 2 + high) for top in range(2 * count - 1)]


def is_large(picture: Picture, box: Box) -> bool:
    """True for a box of which the shorter side is half of the picture's, or more."""
    x0, y0, x1, y1 = box
    return bool(min(x1 - x0, y1 - y0) >= _LARGE * min(picture.shape[:2]))


def _part(picture: Picture, box: Box) -> Picture:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    return picture[max(0, int(y0)) : min(height, ceil(y1)), max(0, int(x0)) : min(width, ceil(x1))]
