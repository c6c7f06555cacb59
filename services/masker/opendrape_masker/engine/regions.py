"""What shall be hidden on a frame, and which whole pixels that means."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin

import numpy as np

from opendrape.domain.mask_rule import Shape
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.pictures import Array

_ELLIPSE_STEPS = (15, 30, 45, 60, 75)  # degrees at which boxes are fitted into an ellipse

MARKED = "marked"
"""The label of a region that a person, a segment or a device profile marked."""


@dataclass(frozen=True, slots=True)
class Target:
    """A box to hide, and what it is: a role's name or ``marked``. ``must_be_solid``: no cosmetic effect will do."""

    box: Box
    label: str = MARKED
    must_be_solid: bool = False


@dataclass(frozen=True, slots=True)
class PixelRect:
    """Whole pixels ``[x0, x1)`` x ``[y0, y1)`` of the stored picture, and what they hide."""

    x0: int
    y0: int
    x1: int
    y1: int
    label: str = MARKED
    must_be_solid: bool = False

    @classmethod
    def around(cls, target: Target, *, pixels: int, width: int, height: int) -> PixelRect | None:
        """Every pixel the box touches plus a margin, inside the picture; None when nothing is left."""
        inside = target.box.grown(0.0, pixels).clipped(width, height)
        if inside is None:
            return None
        x1, y1 = min(width, ceil(inside.x1)), min(height, ceil(inside.y1))
        return cls(floor(inside.x0), floor(inside.y0), x1, y1, target.label, target.must_be_solid)

    @property
    def box(self) -> Box:
        return Box(self.x0, self.y0, self.x1, self.y1)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """``x0, y0, x1, y1``."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def area(self) -> int:
        """Pixels inside."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def encloses(self, other: PixelRect) -> bool:
        """True when every pixel of ``other`` is a pixel of this one."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and self.x1 >= other.x1 and self.y1 >= other.y1


@dataclass(frozen=True, slots=True)
class Painted:
    """A region as it was painted. For a cosmetic effect with samples of what it hides and of what it shows."""

    rect: PixelRect
    source: bytes = b""
    shown: bytes = b""


def part_of(samples: Array, rect: PixelRect, picture_size: tuple[int, int]) -> Array:
    """The samples of a plane that a region touches, as a view; ``picture_size`` is width and height in pixels."""
    across, down = scale_of(samples, picture_size)
    return samples[rows_of(rect, down), columns_of(rect, across)]


def scale_of(samples: Array, picture_size: tuple[int, int]) -> tuple[float, float]:
    """Pixels per sample of a plane, across and down."""
    return picture_size[0] / samples.shape[1], picture_size[1] / samples.shape[0]


def rows_of(rect: PixelRect, down: float) -> slice:
    """Every row of samples that the region touches."""
    return slice(floor(rect.y0 / down), ceil(rect.y1 / down))


def columns_of(rect: PixelRect, across: float) -> slice:
    """Every column of samples that the region touches."""
    return slice(floor(rect.x0 / across), ceil(rect.x1 / across))


def ellipse_in(shape: tuple[int, ...]) -> Array:
    """The samples ``[rows, columns]`` whose centre lies inside the ellipse that fits the part."""
    rows, columns = shape
    y = (np.arange(rows) + 0.5) / rows * 2 - 1
    x = (np.arange(columns) + 0.5) / columns * 2 - 1
    inside: Array = y[:, None] ** 2 + x[None, :] ** 2 <= 1.0
    return inside


def inside_of(shape: Shape, part: Array) -> Array | None:
    """Which samples of a region's part its shape covers; None: all."""
    return None if shape is Shape.BOX else ellipse_in(part.shape)


def hidden_boxes(rect: PixelRect, shape: Shape) -> list[Box]:
    """Boxes that a painted region hides for certain: the region itself, or boxes that lie inside its ellipse."""
    if shape is Shape.BOX:
        return [rect.box]
    return [_inscribed(rect.box, radians(angle)) for angle in _ELLIPSE_STEPS]


def _inscribed(box: Box, angle: float) -> Box:
    across, down = box.width * (1 - cos(angle)) / 2, box.height * (1 - sin(angle)) / 2
    return Box(box.x0 + across, box.y0 + down, box.x1 - across, box.y1 - down)
