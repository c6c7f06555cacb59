"""What shall be hidden on a frame, and which whole pixels that means."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from opendrape_masker.engine.boxes import Box

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
    def area(self) -> int:
        """Pixels inside."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def encloses(self, other: PixelRect) -> bool:
        """True when every pixel of ``other`` is a pixel of this one."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and self.x1 >= other.x1 and self.y1 >= other.y1


@dataclass(frozen=True, slots=True)
class Painted:
    """A region as it was painted. ``source``: samples of what it hides, kept for a cosmetic effect, else empty."""

    rect: PixelRect
    source: bytes = b""
