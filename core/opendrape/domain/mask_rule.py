"""How regions are hidden: which effect, shape and colour, for which class of things, and how strong at least."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from opendrape.domain.things import Thing

MOST_CELLS_ACROSS = 2
"""The weakest effect that a policy may ask for; measured, see ``docs/effects.md``, and held by a test."""


SMALLEST_COSMETIC_PIXELS = 32
"""Shorter side from which cosmetic effects were measured; a smaller region is always painted solid."""

ALL_LABELS = ("marked", *(str(thing) for thing in Thing))
"""Everything that a region may be labelled as."""


ROUND_LABELS = frozenset({"face", "head"})
"""What an ellipse can hide. It spares the corners of its box: letters reach into them, and a bent person's head."""


class Effect(StrEnum):
    """What a region looks like afterwards. Only ``solid`` de-identifies; the others are cosmetic."""

    SOLID = "solid"
    PIXELATE = "pixelate"
    BLUR = "blur"
    GRAY_BLUR = "gray-blur"
    NORMALISED_GRAY_BLUR = "normalised-gray-blur"

    @property
    def is_cosmetic(self) -> bool:
        """True when what is painted is made from what was there."""
        return self is not Effect.SOLID


class Shape(StrEnum):
    """Which part of a region's box is painted."""

    BOX = "box"
    ELLIPSE = "ellipse"


def _within_a_byte(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    if not all(0 <= channel <= 255 for channel in colour):
        raise ValueError("red, green and blue are 0 to 255")
    return colour


def _strong_enough(cells: int) -> int:
    if not 1 <= cells <= MOST_CELLS_ACROSS:
        raise ValueError(
            f"too weak: pixelate and blur keep 1 to {MOST_CELLS_ACROSS} cells across a region's shorter side, "
            f"not {cells}; with more a text can be read or a face found"
        )
    return cells


Colour = Annotated[tuple[int, int, int], AfterValidator(_within_a_byte)]
"""Red, green, blue, 0..255."""

Label = Literal["marked"] | Thing
"""What a region hides: a class of things, or what somebody marked."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Look(_Rule):
    """What one region looks like afterwards: everything decided."""

    effect: Effect
    shape: Shape
    colour_rgb: Colour


class ClassLook(_Rule):
    """What is different for one class of things; None: as for all."""

    effect: Effect | None = None
    shape: Shape | None = None
    colour_rgb: Colour | None = None


class MaskRule(_Rule):
    """How regions are hidden: for all, and per class what differs."""

    effect: Effect = Effect.SOLID
    shape: Shape = Shape.BOX
    colour_rgb: Colour = (0, 0, 0)
    dilate_pixels: int = Field(default=2, ge=0, le=512)
    cells_across: Annotated[int, AfterValidator(_strong_enough)] = Field(
        default=MOST_CELLS_ACROSS,
        description="pixelate and blur: cells across a region's shorter side; fewer is stronger",
    )
    classes: Mapping[Label, ClassLook] = Field(default_factory=dict)

    @field_validator("classes")
    @classmethod
    def _corners_stay_hidden(cls, classes: Mapping[Label, ClassLook]) -> Mapping[Label, ClassLook]:
        for label, look in classes.items():
            if look.shape is Shape.ELLIPSE and str(label) not in ROUND_LABELS:
                raise ValueError(f"an ellipse leaves the corners of {label} open")
        return classes

    def look_of(self, label: str) -> Look:
        """How a region that hides ``label`` is painted. ``shape`` is for what is round; all else stays a box."""
        own = self._by_label.get(label, ClassLook())
        return Look(
            effect=own.effect or self.effect,
            shape=own.shape or (self.shape if label in ROUND_LABELS else Shape.BOX),
            colour_rgb=own.colour_rgb or self.colour_rgb,
        )

    @property
    def _by_label(self) -> Mapping[str, ClassLook]:
        return {str(label): look for label, look in self.classes.items()}

    @property
    def cosmetic_labels(self) -> tuple[str, ...]:
        """What is hidden from view only, not de-identified."""
        return tuple(label for label in ALL_LABELS if self.look_of(label).effect.is_cosmetic)
