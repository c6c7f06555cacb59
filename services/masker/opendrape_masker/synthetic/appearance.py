"""What one continuous appearance of a known identity is: who or which words, when, along which path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import cos, hypot, radians, sin
from typing import Final

FACE_SIZES: Final = (12, 20, 32, 64, 128, 320)
"""Limits of the size classes of faces: hair line to chin, in pixels of the picture."""
SMALLEST_FACE_PIXELS: Final = 20
"""Faces from here on count. A face 20 pixels tall is 0.22 m in life at 91 pixels a metre: EN 62676-4 asks 125 pixels a
metre for recognising a known person, so the suite is stricter than that norm; smaller faces are measured apart."""
TEXT_SIZES: Final = (12, 18, 28, 48, 80)
"""Limits of the size classes of text: height of capitals in pixels."""
SMALLEST_TEXT_PIXELS: Final = 12


class Look(StrEnum):
    """How a face is seen."""

    FRONT = "front"
    TILTED = "tilted"
    TURNED = "turned"
    PROFILE = "profile"
    MASKED = "masked"
    MASKED_CAP = "masked-cap"
    CAP = "cap"
    COVERED = "covered"
    DARK = "dark"


class Style(StrEnum):
    """How words are written."""

    OUTLINED = "outlined"
    PLAIN = "plain"
    BOLD = "bold"
    ITALIC = "italic"
    FAINT = "faint"
    ON_LABEL = "on-label"


class Course(StrEnum):
    """How an appearance moves, and how long it stays."""

    STILL = "still"
    CROSSING = "crossing"
    FAST = "fast"
    APPROACHING = "approaching"
    SHORT = "short"
    FLASH = "flash"
    SCROLLING = "scrolling"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: centre and height in pixels (of a face from hair line to chin, of text that of capitals)."""

    x: float
    y: float
    tall: float


@dataclass(frozen=True, slots=True)
class Appearance:
    """One event: frames ``[start, end)``, from ``first`` to ``last`` on a straight path.

    ``what`` is a portrait's name or the words; ``look`` a :class:`Look` or a :class:`Style`. ``angle`` in degrees,
    clockwise; ``squeeze`` narrows a turned head; ``gain`` scales brightness.
    """

    name: str
    kind: str
    what: str
    look: str
    course: str
    start: int
    end: int
    first: Place
    last: Place
    angle: float = 0.0
    squeeze: float = 1.0
    gain: float = 1.0
    mirrored: bool = False

    def at(self, moment: float) -> Place:
        """Where it is at a frame number, fractions allowed: linear from the first to the last frame."""
        share = (moment - self.start) / max(1, self.end - 1 - self.start)
        x, y, tall = (
            getattr(self.first, name) + share * (getattr(self.last, name) - getattr(self.first, name))
            for name in ("x", "y", "tall")
        )
        return Place(x, y, tall)

    @property
    def middle(self) -> Place:
        """Where it is halfway through."""
        return self.at((self.start + self.end - 1) / 2)

    @property
    def speed(self) -> float:
        """Pixels per frame."""
        frames = max(1, self.end - 1 - self.start)
        return hypot(self.last.x - self.first.x, self.last.y - self.first.y) / frames

    def size_class(self) -> str:
        """``20-32``: by the height in the middle of the appearance."""
        limits = FACE_SIZES if self.kind == "face" else TEXT_SIZES
        tall = self.middle.tall
        low = max([limits[0], *(limit for limit in limits[:-1] if limit <= tall)])
        return f"{low}-{limits[limits.index(low) + 1]}"


def turned_extent(width: float, height: float, angle: float) -> tuple[float, float]:
    """Half width and half height of the box around an ellipse of ``width`` x ``height`` turned by ``angle`` degrees."""
    across, down, turn = width / 2, height / 2, radians(angle)
    return hypot(across * cos(turn), down * sin(turn)), hypot(across * sin(turn), down * cos(turn))
