"""Into which moving pictures identities are inserted: generated tissue, or the pictures of any clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.media.reader import Picture
from opendrape_masker.engine.pictures import Orientation, plane_array
from opendrape_masker.synthetic.picture import Array, Canvas
from opendrape_masker.synthetic.request import SampleRequest
from opendrape_masker.synthetic.tissue import Tissue

_LEAST_SIDE: Final = 96


@dataclass(frozen=True)
class Carrier:
    """Pictures of even size with square pixels, upright, and when each is shown (ticks from 0)."""

    width: int
    height: int
    time_base: Fraction
    ticks: Sequence[int]
    rate: Fraction
    canvases: Callable[[], Iterator[Canvas]]


def tissue_carrier(*, width: int, height: int, seconds: Fraction, rate: Fraction, seed: int) -> Carrier:
    """Tissue that moves, as in the sample."""
    request = SampleRequest(seconds=seconds, width=width // 2 * 2, height=height // 2 * 2, rate=rate, seed=seed)

    def canvases() -> Iterator[Canvas]:
        tissue = Tissue.grown(request.width, request.height, seed=seed)
        for frame, tick in enumerate(request.ticks):
            yield tissue.canvas(frame, float(tick * request.time_base))

    return Carrier(request.width, request.height, request.time_base, request.ticks, rate, canvases)


def clip_carrier(
    media: MediaInfo, timeline: Timeline, frames: int, pictures: Callable[[], Iterator[Picture]]
) -> Carrier:
    """The first ``frames`` pictures of a clip, at 8 bits and 4:2:0, turned as they are shown.

    Raises ``ValueError`` when a picture is too small to put a face into.
    """
    across, down = media.sample_aspect_ratio
    shown = (max(2, round(media.width * across / down)), media.height)
    orientation = Orientation.of(media.display_matrix)
    width, height = (side // 2 * 2 for side in (reversed(shown) if orientation.transpose else shown))
    if min(width, height) < _LEAST_SIDE:
        raise ValueError("the picture is too small")

    def canvases() -> Iterator[Canvas]:
        for picture in pictures():
            yield _canvas(picture, orientation, (width, height), full_range=media.colour.full_range)

    ticks = tuple(tick - timeline.ticks[0] for tick in timeline.ticks[:frames])
    return Carrier(width, height, timeline.time_base, ticks, timeline.average_rate, canvases)


def _canvas(picture: Picture, orientation: Orientation, size: tuple[int, int], *, full_range: bool) -> Canvas:
    planes = [_eight_bits(plane_array(plane), picture.bit_depth) for plane in picture.planes[:3]]
    if len(planes) < 3:
        planes = [planes[0], *2 * [np.full((2, 2), 128, np.uint8)]]
    luma, blue, red = (orientation.upright(plane) for plane in planes)
    if full_range:
        luma = cv2.convertScaleAbs(luma, alpha=219 / 255, beta=16)
        blue, red = (_narrowed(plane) for plane in (blue, red))
    half = (size[0] // 2, size[1] // 2)
    return Canvas(_sized(luma, size), _sized(blue, half), _sized(red, half))


def _eight_bits(samples: Array, bit_depth: int) -> Array:
    return samples if bit_depth == 8 else (samples >> (bit_depth - 8)).astype(np.uint8)


def _narrowed(chroma: Array) -> Array:
    narrow: Array = ((chroma.astype(np.float32) - 128) * (224 / 255) + 128).round().astype(np.uint8)
    return narrow


def _sized(plane: Array, size: tuple[int, int]) -> Array:
    """Cropped when only an odd row or column is too many, else scaled; always a copy that may be drawn on."""
    rows, columns = plane.shape
    if 0 <= columns - size[0] <= 1 and 0 <= rows - size[1] <= 1:
        return plane[: size[1], : size[0]].copy()
    sized: Array = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return sized
