"""How a decoded picture becomes a small upright BGR array for a detector, and how boxes find their way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from opendrape.domain.media_info import MediaInfo
from opendrape.media.reader import Picture, Plane
from opendrape_masker.engine.boxes import Box

Array = NDArray[Any]


class Shown(Protocol):
    """Anything with pixels in planes: luma first, then two of chroma unless it is grey."""

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Read-only views."""

    @property
    def bit_depth(self) -> int:
        """Bits per sample that are used."""


class Paintable(Protocol):
    """Anything whose planes can be painted on."""

    def writable_planes(self) -> tuple[Plane, ...]:
        """Writable views."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored picture is turned for display: transpose first, then mirror (ISO 14496-12 matrix)."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, matrix: tuple[int, ...] | None) -> Orientation:
        """From nine fixed-point numbers; turns by other than quarter turns are taken as the nearest one."""
        if matrix is None:
            return cls()
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def upright(self, stored: Array) -> Array:
        """Turn an array ``[rows, columns, ...]`` the way it is displayed."""
        turned = cv2.transpose(stored) if self.transpose else stored
        if self.mirror_x or self.mirror_y:
            code = -1 if self.mirror_x and self.mirror_y else (1 if self.mirror_x else 0)
            turned = cv2.flip(turned, code)
        return turned

    def shown(self, box: Box, width: float, height: float) -> Box:
        """A box on the stored array as a box on the upright one of ``width`` x ``height``: inverse of ``stored``."""
        turned = Box(box.y0, box.x0, box.y1, box.x1) if self.transpose else box
        x0, y0, x1, y1 = turned.corners
        if self.mirror_x:
            x0, x1 = width - x1, width - x0
        if self.mirror_y:
            y0, y1 = height - y1, height - y0
        return Box(x0, y0, x1, y1)

    def stored(self, box: Box, width: float, height: float) -> Box:
        """A box on the upright array of ``width`` x ``height`` as a box on the stored one."""
        x0, y0, x1, y1 = box.x0, box.y0, box.x1, box.y1
        if self.mirror_x:
            x0, x1 = width - x1, width - x0
        if self.mirror_y:
            y0, y1 = height - y1, height - y0
        return Box(y0, x0, y1, x1) if self.transpose else Box(x0, y0, x1, y1)


@dataclass(frozen=True, slots=True)
class Still:
    """What a picture shows now, for whoever looks later, in another thread: painting the picture does not change it."""

    planes: tuple[Plane, ...]
    bit_depth: int

    @classmethod
    def of(cls, picture: Picture) -> Still:
        return cls(picture.planes, picture.bit_depth)


@dataclass(frozen=True, slots=True)
class View:
    """How big the small picture is (as stored) for a longest side of ``long_side`` display pixels."""

    width: int
    height: int
    orientation: Orientation
    full_width: int
    full_height: int
    full_range: bool = False

    @classmethod
    def of(cls, media: MediaInfo, long_side: int) -> View:
        """Square pixels, never enlarged beyond twice the stored size."""
        across, down = media.sample_aspect_ratio
        shown_width = media.width * across / down
        scale = min(2.0, long_side / max(shown_width, media.height))
        return cls(
            width=max(16, round(shown_width * scale)),
            height=max(16, round(media.height * scale)),
            orientation=Orientation.of(media.display_matrix),
            full_width=media.width,
            full_height=media.height,
            full_range=media.colour.full_range,
        )

    def take(self, picture: Picture | Still) -> Array:
        """The upright BGR array, uint8, ``[rows, columns, 3]``."""
        return self.orientation.upright(_small_bgr(picture, self))

    @property
    def _upright_size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.orientation.transpose else (self.width, self.height)

    def forth(self, box: Box) -> Box:
        """A box on the full stored picture as a box on the upright array."""
        across, down = self.width / self.full_width, self.height / self.full_height
        small = Box(box.x0 * across, box.y0 * down, box.x1 * across, box.y1 * down)
        return self.orientation.shown(small, *self._upright_size)

    def back(self, box: Box) -> Box:
        """A box on the upright array as a box on the full stored picture."""
        on_stored = self.orientation.stored(box, *self._upright_size)
        across, down = self.full_width / self.width, self.full_height / self.height
        return Box(on_stored.x0 * across, on_stored.y0 * down, on_stored.x1 * across, on_stored.y1 * down)


def plane_array(plane: Plane) -> Array:
    """The plane's samples as a view ``[height, width]`` of uint8 or uint16; writes go to the picture."""
    flat = np.frombuffer(plane.memory, dtype=np.uint8 if plane.sample_bytes == 1 else np.dtype("<u2"))
    return flat.reshape(plane.height, plane.stride // plane.sample_bytes)[:, : plane.width]


def small_luma(picture: Shown, size: tuple[int, int]) -> Array:
    """The luma plane as stored, shrunk to ``size`` (width, height): ``[rows, columns]`` at eight bits."""
    return _small_plane(picture.planes[0], *size, picture.bit_depth)


def picture_bytes(media: MediaInfo) -> int:
    """Bytes of one decoded picture's samples, without the decoder's padding."""
    return round(media.width * media.height * (1 if media.bit_depth == 8 else 2) * _samples_per_pixel(media))


def _samples_per_pixel(media: MediaInfo) -> float:
    for mark, samples in (("420", 1.5), ("422", 2.0), ("444", 3.0)):
        if mark in media.pixel_format:
            return samples
    return 4.0


def _small_bgr(picture: Picture | Still, view: View) -> Array:
    planes = [_small_plane(plane, view.width, view.height, picture.bit_depth) for plane in picture.planes[:3]]
    luma, blue, red = planes if len(planes) == 3 else (planes[0], *2 * [np.full_like(planes[0], 128)])
    if not view.full_range:
        luma = cv2.LUT(luma, _FULL_RANGE_OF)
    return cv2.cvtColor(cv2.merge((luma, red, blue)), cv2.COLOR_YCrCb2BGR)


_FULL_RANGE_OF = cv2.convertScaleAbs(
    np.maximum(np.arange(256, dtype=np.uint8), 16), alpha=255 / 219, beta=-16 * 255 / 219
)
"""Luma 16 to 235 as 0 to 255, by value."""


def _small_plane(plane: Plane, width: int, height: int, bit_depth: int) -> Array:
    shrinks = plane.width >= width and plane.height >= height
    small = cv2.resize(
        plane_array(plane), (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return small if bit_depth == 8 else cv2.convertScaleAbs(small, alpha=2.0 ** (8 - bit_depth))
