"""Which text is burned in, when and where, and how it is drawn with its exact box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np

from opendrape_masker.synthetic.picture import Array, Canvas
from opendrape_masker.synthetic.truth import TrueBox

SMALLEST_TEXT_PIXELS = 18
# A clock on a picture has no time zone.
_CLOCK_START = datetime(2024, 5, 17, 9, 41, 20)
CLOCK = "{clock}"
_EDGE_LUMA = 16
Reach = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One text: where its upper left (or, when negative, lower right) corner is, capital height at 1080 lines, when.

    ``x`` and ``y`` are shares of the picture; shown in seconds ``[start, end)`` of every ``period`` seconds.
    """

    text: str
    x: float
    y: float
    tall: int
    start: float = 0.0
    end: float = 1e9
    period: float = 20.0


def lines_for(name: str, number: str, born: str, hospital: str, surgeon: str) -> tuple[Line, ...]:
    """The overlay of an operating room's recorder."""
    return (
        Line(name, 0.02, 0.03, 34),
        Line(f"ID {number}", 0.02, 0.09, 24),
        Line(f"BORN {born}", 0.02, 0.14, 22, start=0.8, end=17.0),
        Line(hospital, -0.02, -0.03, 26, start=1.0, end=15.5),
        Line(CLOCK, 0.02, -0.03, 20),
        Line(surgeon, -0.02, 0.05, 40, start=3.0, end=8.0, period=10.0),
    )


def shown(lines: tuple[Line, ...], second: float) -> list[tuple[Line, str]]:
    """The lines on screen at ``second`` with what they say."""
    clock = (_CLOCK_START + timedelta(seconds=int(second))).strftime("%d/%m/%Y %H:%M:%S")
    return [(line, line.text.replace(CLOCK, clock)) for line in lines if line.start <= second % line.period < line.end]


def draw_line(canvas: Canvas, line: Line, words: str, *, taken: Sequence[Reach] = ()) -> TrueBox | None:
    """Write ``words`` white with a dark edge; None when there is no room in the picture or the place is taken."""
    glyphs, edge = _glyphs(words, max(SMALLEST_TEXT_PIXELS, round(line.tall * canvas.height / 1080)))
    rows, columns = glyphs.shape
    left = _corner(line.x, canvas.width, columns)
    top = _corner(line.y, canvas.height, rows)
    reach = (left, top, left + columns, top + rows)
    if min(left, top) < 0 or reach[2] > canvas.width or reach[3] > canvas.height or _hits(reach, taken):
        return None
    window = canvas.luma[top : top + rows, left : left + columns]
    window[edge > 0] = _EDGE_LUMA
    np.copyto(window, cv2.max(window, glyphs))
    for plane in (canvas.blue, canvas.red):
        _grey(plane[top // 2 : (top + rows) // 2, left // 2 : (left + columns) // 2], edge)
    x, y, wide, tall = cv2.boundingRect(glyphs)
    box = (float(left + x), float(top + y), float(left + x + wide), float(top + y + tall))
    return TrueBox("text", words, box, 1.0, reach)


def _hits(reach: Reach, taken: Sequence[Reach]) -> bool:
    return any(
        reach[0] < other[2] and other[0] < reach[2] and reach[1] < other[3] and other[1] < reach[3] for other in taken
    )


def _corner(share: float, length: int, extent: int) -> int:
    """Even coordinate: a positive share measures from the near edge, a negative one from the far edge."""
    position = share * length if share >= 0 else length + share * length - extent
    return int(position) // 2 * 2


def _grey(chroma: Array, edge: Array) -> None:
    chroma[cv2.resize(edge, (chroma.shape[1], chroma.shape[0]), interpolation=cv2.INTER_AREA) > 0] = 128


@lru_cache(maxsize=256)
def _glyphs(words: str, tall: int) -> tuple[Array, Array]:
    """Luma of the letters (0 outside) and of their dark edge, even-sized, capitals at least ``tall`` pixels high."""
    font, size = cv2.FontFace("sans"), round(tall * 1.4)
    room = np.zeros((3 * size, (len(words) + 4) * size, 3), np.uint8)
    cv2.putText(room, words, (size, 2 * size), (235, 235, 235), font, size, 500)
    room[room <= _EDGE_LUMA] = 0  # too faint to be told from the dark edge
    x, y, wide, high = cv2.boundingRect(room[..., 0])
    wide, high = wide + wide % 2, high + high % 2
    letters = np.ascontiguousarray(room[y - 4 : y + high + 4, x - 4 : x + wide + 4, 0])
    return letters, cv2.dilate(letters, np.ones((5, 5), np.uint8))
