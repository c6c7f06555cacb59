"""What a contact sheet looks like: pictures in rows, boxes by role, times, a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import cv2
import numpy as np

from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.pictures import Array

COLUMNS: Final = 4
CELL_LONG_SIDE: Final = 480
_MARGIN: Final = 8
_CAPTION: Final = 26
_LINE: Final = 22
_PAPER, _INK = (32, 32, 32), (235, 235, 235)
# BGR, told apart also without red and green
_COLOURS: Final = {
    "face": (40, 190, 255),
    "text": (240, 200, 60),
    "marked": (255, 255, 255),
    "person-vehicle": (110, 220, 120),
    "plate": (220, 120, 240),
    "screen": (90, 120, 255),
}
_OTHER: Final = (190, 190, 190)


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the sheet: BGR uint8, its regions by role on it, and what stands below."""

    picture: Array
    regions: Sequence[tuple[str, Box]]
    caption: str


def sheet(title: str, cells: Sequence[Cell]) -> Array:
    """The whole sheet, BGR uint8. Cells may differ in size; ``ValueError`` without any."""
    if not cells:
        raise ValueError("a sheet needs pictures")
    wide = max(cell.picture.shape[1] for cell in cells) + _MARGIN
    tall = max(cell.picture.shape[0] for cell in cells) + _CAPTION + _MARGIN
    columns = min(COLUMNS, len(cells))
    head = 2 * _LINE + 2 * _MARGIN
    size = (head + ceil(len(cells) / columns) * tall, max(columns * wide + _MARGIN, 640), 3)
    paper: Array = np.full(size, _PAPER, np.uint8)
    _write(paper, title, _MARGIN, _LINE)
    _legend(paper, (role for cell in cells for role, _ in cell.regions))
    for number, cell in enumerate(cells):
        left, top = _MARGIN + number % columns * wide, head + number // columns * tall
        rows, across = cell.picture.shape[:2]
        paper[top : top + rows, left : left + across] = _outlined(cell)
        _write(paper, cell.caption, left, top + rows + _CAPTION - 8)
    return paper


def side_by_side(before: Array, after: Array) -> Array:
    """Two pictures of one size beside each other."""
    gap: Array = np.full((before.shape[0], 2, 3), _PAPER, np.uint8)
    return np.hstack([before, gap, after])


def caption(frame: int, second: float, roles: Iterable[str]) -> str:
    """``12.40 s, frame 372: face 2, text 1``."""
    counts = ", ".join(f"{role} {count}" for role, count in sorted(Counter(roles).items()))
    return f"{second:.2f} s, frame {frame}: {counts or 'nothing masked'}"


def _outlined(cell: Cell) -> Array:
    drawn = cell.picture.copy()
    for role, box in cell.regions:
        corners = (round(box.x0), round(box.y0)), (round(box.x1) - 1, round(box.y1) - 1)
        cv2.rectangle(drawn, *corners, _COLOURS.get(role, _OTHER), 2)
    return drawn


def _legend(paper: Array, roles: Iterable[str]) -> None:
    left = _MARGIN
    for role in sorted(set(roles)):
        cv2.rectangle(paper, (left, _LINE + 10), (left + 14, _LINE + 24), _COLOURS.get(role, _OTHER), -1)
        _write(paper, role, left + 20, _LINE + 23)
        left += 40 + 10 * len(role)


def _write(paper: Array, words: str, left: int, baseline: int) -> None:
    font = cv2.FontFace("sans")
    cv2.putText(paper, words, (left, baseline), _INK, font, 16, 450)
