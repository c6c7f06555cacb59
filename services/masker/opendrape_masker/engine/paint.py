"""How a region becomes solid colour on the Y, U and V planes, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin

import numpy as np

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import MaskRule
from opendrape.media.reader import Picture
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.pictures import Array, plane_array
from opendrape_masker.engine.regions import Painted, PixelRect, Target

__all__ = ["Painter", "PixelRect", "hidden_boxes", "inside_shape", "painted_parts", "yuv_fill"]

_BT709 = 1
_KR_KB = {_BT709: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)
_ELLIPSE_STEPS = (15, 30, 45, 60, 75)  # degrees at which boxes are fitted into an ellipse


@dataclass(frozen=True, slots=True)
class Painter:
    """Paints regions of one video in one colour. ``fill`` are the three sample values at the video's bit depth."""

    rule: MaskRule
    fill: tuple[int, int, int]
    width: int
    height: int

    @classmethod
    def of(cls, rule: MaskRule, media: MediaInfo) -> Painter:
        return cls(rule, yuv_fill(rule.colour_rgb, media), media.width, media.height)

    def rectangles(self, targets: Sequence[Target]) -> list[PixelRect]:
        """The targets as painted: with margin, clipped, without those that lie inside another."""
        rects = [
            PixelRect.around(target, pixels=self.rule.dilate_pixels, width=self.width, height=self.height)
            for target in targets
        ]
        inside = [rect for rect in rects if rect is not None]
        # an ellipse spares its corners: what lies there needs its own
        return _without_swallowed(inside) if self.rule.shape == "box" else list(dict.fromkeys(inside))

    def paint(self, picture: Picture, rectangles: Sequence[PixelRect]) -> list[Painted]:
        """Fill the regions on every plane; samples that a region touches only partly are filled too.

        Returns what was painted, for the evidence.
        """
        if not rectangles:
            return []
        for plane, value in zip(picture.writable_planes(), self.fill, strict=False):
            samples = plane_array(plane)
            for rect in rectangles:
                part = _part(samples, rect, self.width / plane.width, self.height / plane.height)
                if self.rule.shape == "box":
                    part[...] = value
                else:
                    part[_ellipse(part.shape)] = value
        return [Painted(rect) for rect in rectangles]


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


def painted_parts(picture: Picture, rectangles: Sequence[PixelRect]) -> Iterator[tuple[int, Array]]:
    """Plane number and samples under every region, for checking."""
    for number, plane in enumerate(picture.planes[:3]):
        samples = plane_array(plane)
        for rect in rectangles:
            yield number, _part(samples, rect, picture.width / plane.width, picture.height / plane.height)


def inside_shape(part: Array, shape: str) -> Array:
    """The samples of a region's part that its shape covers."""
    return part if shape == "box" else part[_ellipse(part.shape)]


def hidden_boxes(rectangles: Sequence[PixelRect], shape: str) -> list[Box]:
    """Boxes that the painted regions hide for certain: a region itself, or boxes that lie inside its ellipse."""
    if shape == "box":
        return [rect.box for rect in rectangles]
    return [_inscribed(rect.box, radians(angle)) for rect in rectangles for angle in _ELLIPSE_STEPS]


def _inscribed(box: Box, angle: float) -> Box:
    across, down = box.width * (1 - cos(angle)) / 2, box.height * (1 - sin(angle)) / 2
    return Box(box.x0 + across, box.y0 + down, box.x1 - across, box.y1 - down)


def _part(samples: Array, rect: PixelRect, across: float, down: float) -> Array:
    return samples[floor(rect.y0 / down) : ceil(rect.y1 / down), floor(rect.x0 / across) : ceil(rect.x1 / across)]


def _ellipse(shape: tuple[int, ...]) -> Array:
    """The samples whose centre lies inside the ellipse that fits the part."""
    rows, columns = shape
    y = (np.arange(rows) + 0.5) / rows * 2 - 1
    x = (np.arange(columns) + 0.5) / columns * 2 - 1
    inside: Array = y[:, None] ** 2 + x[None, :] ** 2 <= 1.0
    return inside


def _without_swallowed(rects: list[PixelRect]) -> list[PixelRect]:
    kept: list[PixelRect] = []
    for rect in sorted(set(rects), key=lambda r: (-r.area, r.y0, r.x0, r.label)):
        if not any(other.encloses(rect) for other in kept):
            kept.append(rect)
    return kept
