"""How one masked frame becomes the bytes of a picture file: upright, without metadata, read back before it counts."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from opendrape.domain.media_info import MediaInfo
from opendrape.errors import FidelityBroken
from opendrape.media.reader import Picture
from opendrape.media.still_picture import bgr_plane
from opendrape_masker.engine.pictures import Array, Orientation

_SETTINGS: Final = {
    "jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    "png": (cv2.IMWRITE_PNG_COMPRESSION, 4),
    "webp": (cv2.IMWRITE_WEBP_QUALITY, 95),
}
_LOSSLESS: Final = frozenset({"png"})
_LARGEST_MEAN_ERROR: Final = 12.0
"""Of 255, over the whole picture: what a wrong picture exceeds and compression does not."""


def upright(picture: Picture, media: MediaInfo) -> Array:
    """BGR uint8 ``[rows, columns, 3]`` as it is displayed; pixels keep their shape, nothing is scaled."""
    plane = bgr_plane(picture, media)
    flat = np.frombuffer(plane.memory, np.uint8).reshape(plane.height, plane.stride)[:, : plane.width]
    return np.ascontiguousarray(Orientation.of(media.display_matrix).upright(flat.reshape(plane.height, -1, 3)))


def encoded(pixels: Array, picture_format: str) -> bytes:
    """The file's bytes. ``FidelityBroken`` when it does not show what it should."""
    worked, content = cv2.imencode(f".{picture_format}", pixels, _SETTINGS[picture_format])
    if not worked:
        raise FidelityBroken("a picture cannot be written", reason="frames_differ")
    _prove(content, pixels, picture_format)
    return bytes(content)


def _prove(content: Array, pixels: Array, picture_format: str) -> None:
    again = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if again is None or again.shape != pixels.shape:
        raise FidelityBroken("a picture does not read back", reason="frames_differ")
    error = float(cv2.norm(again, pixels, cv2.NORM_L1)) / pixels.size
    if error > (0.0 if picture_format in _LOSSLESS else _LARGEST_MEAN_ERROR):
        raise FidelityBroken("a picture shows something else", reason="frames_differ")
