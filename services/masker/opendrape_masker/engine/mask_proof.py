"""Whether every painted region of a written picture is what was painted, and none shows what was there (V-07, V-16)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from opendrape.errors import FidelityBroken
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array, Shown, plane_array
from opendrape_masker.engine.regions import Painted, PixelRect, inside_of, part_of
from opendrape_masker.engine.traces import is_plainly_changed, is_what_was_painted, shows_the_source, traces

_SOLID_TOLERANCE = 24  # levels of 8 bit that an encoder may bend a solid area's rim
_SOLID_SHARE = 0.9


def prove_masks(picture: Shown, painted: Sequence[Painted], painter: Painter) -> int:
    """Number of regions looked at. Raises ``FidelityBroken`` when one is not what was painted or shows the source."""
    planes = [plane_array(plane) for plane in picture.planes[:3]]
    for place, region in enumerate(painted):
        if painter.coat_of(region.rect).effect.is_cosmetic:
            _prove_cosmetic(planes, region, painter)
        else:
            _prove_solid(planes, region.rect, [other.rect for other in painted[place + 1 :]], painter)
    return len(painted)


def _prove_solid(planes: Sequence[Array], rect: PixelRect, later: Sequence[PixelRect], painter: Painter) -> None:
    coat = painter.coat_of(rect)
    over = [other for other in later if painter.coat_of(other).fill != coat.fill and _meet(rect, other)]
    for samples, value in zip(planes, coat.fill, strict=False):
        own = _own_samples(samples, rect, over, painter)
        if own.size and _near(own, value, _SOLID_TOLERANCE * painter.unit) < _SOLID_SHARE * own.size:
            raise FidelityBroken("a masked region is not solid", reason="fidelity_mask_not_solid")


def _near(samples: Array, value: int, tolerance: int) -> int:
    """How many samples differ from ``value`` by no more than ``tolerance``."""
    largest = int(np.iinfo(samples.dtype).max)
    near = cv2.inRange(samples, max(0, value - tolerance), min(largest, value + tolerance))
    return cv2.countNonZero(near)


def _own_samples(samples: Array, rect: PixelRect, over: Sequence[PixelRect], painter: Painter) -> Array:
    """The samples that the region covers and no later one of another colour does."""
    part = part_of(samples, rect, painter.size)
    inside = inside_of(painter.coat_of(rect).shape, part)
    if not over:
        return part if inside is None else part[inside]
    own = np.zeros(samples.shape, bool)
    part_of(own, rect, painter.size)[...] = True if inside is None else inside
    for other in over:
        taken = part_of(own, other, painter.size)
        covered = inside_of(painter.coat_of(other).shape, taken)
        taken[... if covered is None else covered] = False
    return samples[own]


def _prove_cosmetic(planes: Sequence[Array], region: Painted, painter: Painter) -> None:
    parts = [part_of(samples, region.rect, painter.size) for samples in planes]
    written = traces(parts, painter.coat_of(region.rect).shape)
    source, shown = (np.frombuffer(kept, written.dtype) for kept in (region.source, region.shown))
    if not is_plainly_changed(source, shown, painter.unit):
        raise FidelityBroken("nothing proves that a region was changed", reason="fidelity_mask_unproven")
    if shows_the_source(written, shown, source, painter.unit):
        raise FidelityBroken("a masked region shows what was there", reason="fidelity_mask_unchanged")
    if not is_what_was_painted(written, shown, painter.unit):
        raise FidelityBroken("a masked region is not what was painted", reason="fidelity_mask_differs")


def _meet(one: PixelRect, other: PixelRect) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1
