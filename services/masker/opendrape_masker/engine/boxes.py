"""What a box is, and how boxes overlap, grow and move between two sightings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the stored picture, ``x0 <= x < x1``, fractions allowed."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """``x0, y0, x1, y1``."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def size(self) -> float:
        """Mean side length."""
        return (self.width + self.height) / 2

    def grown(self, relative: float, pixels: float = 0.0) -> Box:
        """Every side moved outwards by ``relative`` of the box's own extent plus ``pixels``."""
        dx = self.width * relative + pixels
        dy = self.height * relative + pixels
        return Box(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def at_least(self, width: float, height: float) -> Box:
        """The box around the same centre, no narrower than ``width`` and no lower than ``height``."""
        dx, dy = max(0.0, width - self.width) / 2, max(0.0, height - self.height) / 2
        return Box(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)

    def reaching(self, width: float, height: float, *, within: float) -> Box:
        """The box stretched to those borders of a picture that it comes nearer than ``within`` pixels."""
        return Box(
            min(self.x0, 0.0) if self.x0 < within else self.x0,
            min(self.y0, 0.0) if self.y0 < within else self.y0,
            max(self.x1, float(width)) if width - self.x1 < within else self.x1,
            max(self.y1, float(height)) if height - self.y1 < within else self.y1,
        )

    def clipped(self, width: int, height: int) -> Box | None:
        """The part inside a picture, None when nothing is."""
        box = Box(max(0.0, self.x0), max(0.0, self.y0), min(float(width), self.x1), min(float(height), self.y1))
        return box if box.width > 0 and box.height > 0 else None


def intersection(a: Box, b: Box) -> float:
    """Common area in square pixels."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width * height if width > 0 and height > 0 else 0.0


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    common = intersection(a, b)
    return common / (a.area + b.area - common) if common else 0.0


def hull(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return Box(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))


def between(a: Box, b: Box, share: float) -> Box:
    """Linear interpolation: ``share`` 0 gives ``a``, 1 gives ``b``."""
    rest = 1.0 - share
    return Box(
        a.x0 * rest + b.x0 * share, a.y0 * rest + b.y0 * share, a.x1 * rest + b.x1 * share, a.y1 * rest + b.y1 * share
    )


def centre_shift(a: Box, b: Box) -> tuple[float, float]:
    """How far the centre moves from ``a`` to ``b``, in pixels."""
    return (b.x0 + b.x1 - a.x0 - a.x1) / 2, (b.y0 + b.y1 - a.y0 - a.y1) / 2


def covered_share(box: Box, masks: Sequence[Box]) -> float:
    """Share of ``box`` hidden by the union of ``masks``, 0..1 (exact, by coordinate compression)."""
    parts = [m for m in masks if intersection(box, m) > 0]
    if not parts or box.area <= 0:
        return 0.0
    xs = sorted({box.x0, box.x1, *(min(max(v, box.x0), box.x1) for m in parts for v in (m.x0, m.x1))})
    ys = sorted({box.y0, box.y1, *(min(max(v, box.y0), box.y1) for m in parts for v in (m.y0, m.y1))})
    hidden = 0.0
    for left, right in pairwise(xs):
        for top, bottom in pairwise(ys):
            x, y = (left + right) / 2, (top + bottom) / 2
            if any(m.x0 <= x < m.x1 and m.y0 <= y < m.y1 for m in parts):
                hidden += (right - left) * (bottom - top)
    return hidden / box.area
