"""How surely a picture shows a sheet of paper with writing on it: bright, colourless, with straight sides, with lines.

A case sheet or card held before the camera at the beginning. Paper is the brightest large thing that has no colour; its
outline fills its hull; dark fine marks lie inside; a text detector finds lines there. Paper without marks (a swab, a
wall) scores low, with marks that nobody can read (blurred, handwritten) in between, with lines high.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from opendrape_masker.detectors.detection import Picture

Line = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a line of text, in pixels of the picture."""
_Mask = npt.NDArray[np.uint8]
LONG_SIDE = 640
_BRIGHT = 110  # grey levels at least, and
_OF_BRIGHTEST = 0.55  # of the picture's bright end: a lamp that is turned down dims the paper too
_COLOURLESS = 0.30  # saturation; lamps tint paper
_GAP = 17  # pixels: writing is closed to paper
_MARK = 25  # levels that a stroke is darker than the paper around it
_STROKE = 13  # pixels across the widest stroke
_AREA_RAMP = (0.04, 0.12)  # share of the picture
_FILL_RAMP = (0.60, 0.80)  # of its hull
_RECTANGLE_RAMP = (0.45, 0.65)  # of the tightest rectangle: perspective makes it a trapezium
_INK_RAMP = (0.005, 0.02)  # share of the paper
_LINES_RAMP = (1.0, 4.0)  # one line may be a sign on a wall, three are a form
_PLAIN, _INKED, _WRITTEN = 0.2, 0.3, 0.5
_INSIDE = 0.6  # of a line's box lies on the paper


def sheet_score(picture: Picture, lines_on: Callable[[], Sequence[Line]]) -> float:
    """0..1 for one picture, uint8 ``[H, W, 3]`` BGR.

    ``lines_on`` says what a text detector sees; it is only asked when there may be paper.
    """
    small, scale = _small(picture)
    papers = _papers(small)
    lines = lines_on() if papers else ()
    best = 0.0
    for hull, paper in papers:
        ink = _ramp(_ink_share(small, hull), _INK_RAMP)
        written = _ramp(_lines_on(hull, lines, scale), _LINES_RAMP)
        best = max(best, paper * (_PLAIN + _INKED * max(ink, written) + _WRITTEN * written))
    return best


def _small(picture: Picture) -> tuple[Picture, float]:
    scale = min(1.0, LONG_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), scale


def _papers(small: Picture) -> list[tuple[_Mask, float]]:
    """Hulls of bright colourless areas as masks, each with how much it is a sheet by size and outline."""
    high, low = small.max(axis=2), small.min(axis=2)
    bright = high >= max(_BRIGHT, _OF_BRIGHTEST * float(np.percentile(high, 98)))
    colourless = (high - low) <= _COLOURLESS * high
    mask = (bright & colourless).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((_GAP, _GAP), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((_GAP // 2, _GAP // 2), np.uint8))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        paper = _paperness(contour, mask.size)
        if paper > 0:
            hull: _Mask = cv2.fillConvexPoly(np.zeros_like(mask), cv2.convexHull(contour), (1.0,)).astype(np.uint8)
            found.append((hull, paper))
    return found


def _paperness(contour: cv2.typing.MatLike, pixels: int) -> float:
    area = cv2.contourArea(contour)
    hull = cv2.contourArea(cv2.convexHull(contour))
    _, (across, down), _ = cv2.minAreaRect(contour)
    if area <= 0 or hull <= 0 or across * down <= 0:
        return 0.0
    outline = _ramp(area / hull, _FILL_RAMP) * _ramp(area / (across * down), _RECTANGLE_RAMP)
    return _ramp(area / pixels, _AREA_RAMP) * outline


def _ink_share(small: Picture, hull: _Mask) -> float:
    """Share of the paper that fine strokes darker than their surroundings take."""
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    strokes = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((_STROKE, _STROKE), np.uint8)) > _MARK
    inside = cv2.erode(hull, np.ones((_STROKE, _STROKE), np.uint8)).astype(bool)
    return float(strokes[inside].mean()) if inside.any() else 0.0


def _lines_on(hull: _Mask, lines: Sequence[Line], scale: float) -> int:
    return sum(_share_inside(hull, line, scale) >= _INSIDE for line in lines)


def _share_inside(hull: _Mask, line: Line, scale: float) -> float:
    x0, y0, x1, y1 = (max(0, round(value * scale)) for value in line)
    part = hull[y0 : max(y0 + 1, y1), x0 : max(x0 + 1, x1)]
    return float(part.mean()) if part.size else 0.0


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))
