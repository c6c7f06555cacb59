"""What does a policy's mask rule do, in plain words: asked of the rule that paints, class by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from opendrape.domain.mask_rule import ALL_LABELS, SMALLEST_COSMETIC_PIXELS, Effect, Look, MaskRule

_EFFECTS: Final[Mapping[Effect, str]] = MappingProxyType(
    {
        Effect.SOLID: "painted over with one colour; what was there cannot be computed back",
        Effect.PIXELATE: "turned into a mosaic of their own tones",
        Effect.BLUR: "turned into a soft blot of their own tones",
        Effect.GRAY_BLUR: "turned into a soft blot of their own tones without colour",
        Effect.NORMALISED_GRAY_BLUR: "turned into a soft blot without colour, with one brightness and contrast for all",
    }
)
_COSMETIC: Final = (
    "pixelate and the blurs are cosmetic: they hide from view, they do not de-identify as solid colour does; "
    "what is left of a region is its tones",
    "cosmetic effects keep {cells} cells across a region's shorter side, put in an order of their own",
    f"a region under {SMALLEST_COSMETIC_PIXELS} pixels, one that the effect would hardly change, and what the second "
    "look finds is painted solid",
)


def mask_lines(rule: MaskRule) -> Iterator[str]:
    """One line per fact, and one per class that is masked in another way than the rest."""
    rest = rule.look_of("")
    yield f"regions are {_EFFECTS[rest.effect]}"
    yield f"as {_shape(rest)}"
    yield f"in the colour {_colour(rest)} (red, green, blue) where it is solid"
    yield f"{rule.dilate_pixels} pixels wider than the region"
    for label in ALL_LABELS:
        look = rule.look_of(label)
        if look != rest:
            yield f"{label}: {look.effect}, {_EFFECTS[look.effect]}; as {_shape(look)}, colour {_colour(look)}"
    if rule.cosmetic_labels:
        for line in _COSMETIC:
            yield line.format(cells=rule.cells_across)


def _shape(look: Look) -> str:
    return "an ellipse" if look.shape == "ellipse" else f"a {look.shape}"


def _colour(look: Look) -> str:
    return ", ".join(map(str, look.colour_rgb))
