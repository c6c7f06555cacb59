"""How regions are painted on the Y, U and V planes, each as its class asks, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from opendrape.domain.mask_rule import ALL_LABELS, SMALLEST_COSMETIC_PIXELS, Effect, Look, MaskRule, Shape
from opendrape.domain.media_info import MediaInfo
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.effects import cell_grid, repainted
from opendrape_masker.engine.pictures import Array, Paintable, plane_array
from opendrape_masker.engine.regions import (
    Painted,
    PixelRect,
    Target,
    columns_of,
    hidden_boxes,
    inside_of,
    part_of,
    rows_of,
    scale_of,
)
from opendrape_masker.engine.traces import is_plainly_changed, traces

__all__ = ["Coat", "Painter", "PixelRect", "yuv_fill"]

_BT709 = 1
_KR_KB = {_BT709: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)


@dataclass(frozen=True, slots=True)
class Coat:
    """How one class is painted. ``fill``: the colour as Y, U, V samples at the video's depth."""

    effect: Effect
    shape: Shape
    fill: tuple[int, int, int]

    @classmethod
    def of(cls, look: Look, media: MediaInfo) -> Coat:
        return cls(look.effect, look.shape, yuv_fill(look.colour_rgb, media))

    @property
    def solid(self) -> Coat:
        """The same without a cosmetic effect."""
        return replace(self, effect=Effect.SOLID)


@dataclass(frozen=True, slots=True)
class Painter:
    """Paints regions of one video. ``unit`` is one level of 8 bits at the video's depth.

    ``plain`` is the coat when every class gets the same solid box: the common case, and the fast one.
    """

    rule: MaskRule
    coats: Mapping[str, Coat]
    plain: Coat | None
    size: tuple[int, int]
    unit: int

    @classmethod
    def of(cls, rule: MaskRule, media: MediaInfo) -> Painter:
        coats = {label: Coat.of(rule.look_of(label), media) for label in ("", *ALL_LABELS)}
        first, *others = set(coats.values())
        plain = first if not others and (first.effect, first.shape) == (Effect.SOLID, Shape.BOX) else None
        return cls(rule, coats, plain, (media.width, media.height), 1 << (media.bit_depth - 8))

    def coat_of(self, rect: PixelRect) -> Coat:
        """How a region is painted: as its class asks, but a solid box when it must be solid or is the whole picture,
        and solid when it is too small for anything else.
        """
        if self.plain is not None:
            return self.plain
        coat = self.coats.get(rect.label) or self.coats[""]
        if rect.must_be_solid or rect.corners == (0, 0, *self.size):
            return replace(coat, effect=Effect.SOLID, shape=Shape.BOX)
        small = min(rect.x1 - rect.x0, rect.y1 - rect.y0) < SMALLEST_COSMETIC_PIXELS
        return coat.solid if coat.effect.is_cosmetic and small else coat

    def rectangles(self, targets: Sequence[Target]) -> list[PixelRect]:
        """The targets in the order of painting: with margin, clipped, without those that another hides anyway."""
        width, height = self.size
        rects = {
            PixelRect.around(target, pixels=self.rule.dilate_pixels, width=width, height=height) for target in targets
        }
        inside = [rect for rect in rects if rect is not None]
        kept: list[PixelRect] = []
        for rect in sorted(inside, key=lambda r: (-r.area, r.y0, r.x0, r.x1, r.label, r.must_be_solid)):
            if not any(other.encloses(rect) and self._makes_needless(other, rect) for other in kept):
                kept.append(rect)
        if self.plain is not None:
            return kept
        # solid colour comes last: nothing may be smeared over it
        return sorted(kept, key=lambda rect: not self.coat_of(rect).effect.is_cosmetic)

    def paint(self, picture: Paintable, rectangles: Sequence[PixelRect]) -> list[Painted]:
        """Paint the regions on every plane; samples that a region touches only partly are painted too.

        Returns what was painted, for the evidence. A region that a cosmetic effect would hardly change is painted
        solid instead, and returned as one that must be: what is left open must be provably different.
        """
        if not rectangles:
            return []
        planes = [plane_array(plane) for plane in picture.writable_planes()[:3]]
        if self.plain is not None:
            return self._fill_boxes(planes, rectangles, self.plain)
        cosmetic = [rect for rect in rectangles if self.coat_of(rect).effect.is_cosmetic]
        sources = [self._traces(planes, rect) for rect in cosmetic]
        for rect in cosmetic:
            self._apply_effect(planes, rect)
        solid = [self._fill(planes, rect) for rect in rectangles if not self.coat_of(rect).effect.is_cosmetic]
        return self._proven(planes, list(zip(cosmetic, sources, strict=True)), solid)

    def hidden(self, rectangles: Sequence[PixelRect]) -> list[Box]:
        """Boxes under solid colour. Cosmetic effects hide nothing from the second look: what it sees there counts."""
        coats = [(rect, self.coat_of(rect)) for rect in rectangles]
        return [b for rect, coat in coats if not coat.effect.is_cosmetic for b in hidden_boxes(rect, coat.shape)]

    def _makes_needless(self, outer: PixelRect, inner: PixelRect) -> bool:
        """An ellipse spares its corners, and another colour is to be seen: only then the inner one is painted too."""
        coat, own = self.coat_of(outer), self.coat_of(inner)
        return coat.shape is Shape.BOX and (coat == own or own.effect.is_cosmetic > coat.effect.is_cosmetic)

    def _fill_boxes(self, planes: Sequence[Array], rectangles: Sequence[PixelRect], coat: Coat) -> list[Painted]:
        for samples, value in zip(planes, coat.fill, strict=False):
            across, down = scale_of(samples, self.size)
            for rect in rectangles:
                samples[rows_of(rect, down), columns_of(rect, across)] = value
        return [Painted(rect) for rect in rectangles]

    def _fill(self, planes: Sequence[Array], rect: PixelRect) -> Painted:
        coat = self.coat_of(rect)
        for samples, value in zip(planes, coat.fill, strict=False):
            part = part_of(samples, rect, self.size)
            inside = inside_of(coat.shape, part)
            part[... if inside is None else inside] = value
        return Painted(rect)

    def _apply_effect(self, planes: Sequence[Array], rect: PixelRect) -> None:
        coat = self.coat_of(rect)
        grid = cell_grid(rect.x1 - rect.x0, rect.y1 - rect.y0, self.rule.cells_across)
        for number, samples in enumerate(planes):
            part = part_of(samples, rect, self.size)
            inside = inside_of(coat.shape, part)
            new = repainted(part, inside, coat.effect, grid=grid, number=number, unit=self.unit)
            part[...] = new if inside is None else np.where(inside, new, part)

    def _traces(self, planes: Sequence[Array], rect: PixelRect) -> Array:
        return traces([part_of(samples, rect, self.size) for samples in planes], self.coat_of(rect).shape)

    def _proven(
        self, planes: Sequence[Array], cosmetic: list[tuple[PixelRect, Array]], solid: list[Painted]
    ) -> list[Painted]:
        while True:
            seen = [(rect, source, self._traces(planes, rect)) for rect, source in cosmetic]
            weak = [rect for rect, source, shown in seen if not is_plainly_changed(source, shown, self.unit)]
            if not weak:
                return [Painted(r, source.tobytes(), shown.tobytes()) for r, source, shown in seen] + solid
            solid += [self._fill(planes, replace(rect, must_be_solid=True)) for rect in weak]
            cosmetic = [(rect, source) for rect, source in cosmetic if rect not in weak]


def yuv_fill(rgb: tuple[int, int, int], media: MediaInfo) -> tuple[int, int, int]:
    """RGB 0..255 as Y, U, V sample values of the video (matrix, range and bit depth as tagged; ITU-T H.273)."""
    kr, kb = _KR_KB.get(media.colour.matrix, _BT601)
    red, green, blue = (channel / 255 for channel in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    scale = 1 << (media.bit_depth - 8)
    if media.colour.full_range:
        top = 256 * scale - 1
        return round(luma * top), round(chroma[0] * top + 128 * scale), round(chroma[1] * top + 128 * scale)
    return (
        round((16 + 219 * luma) * scale),
        round((128 + 224 * chroma[0]) * scale),
        round((128 + 224 * chroma[1]) * scale),
    )
