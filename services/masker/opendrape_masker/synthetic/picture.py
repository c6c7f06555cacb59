"""What a picture under construction is: an 8-bit BT.709 4:2:0 canvas, and how it becomes other pixel formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Rec. ITU-R BT.709-6, limited range: rows Y, Cb, Cr for columns R, G, B in 0..1.
_BT709 = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]], dtype=np.float32)
_SCALE = np.array([219.0, 224.0, 224.0], dtype=np.float32)
_SHIFT = np.array([16.0, 128.0, 128.0], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Canvas:
    """Planes of even size, uint8: luma ``[H, W]``, chroma ``[H/2, W/2]``. Drawing changes them in place."""

    luma: Array
    blue: Array
    red: Array

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.luma.shape[0])


def yuv(rgb: Array) -> Array:
    """Float32 ``[H, W, 3]`` Y, Cb, Cr in 8-bit limited range from uint8 RGB."""
    values: Array = (rgb.astype(np.float32) / 255.0) @ _BT709.T * _SCALE + _SHIFT
    return values


def packed_planes(canvas: Canvas, *, width: int, height: int, pixel_format: str) -> list[memoryview]:
    """Tightly packed planes of the asked size and format: yuv420p, yuv444p, yuvj420p, with ``10le`` 16-bit ones."""
    planes = [canvas.luma, canvas.blue, canvas.red]
    if "444" in pixel_format:
        full = (canvas.width, canvas.height)
        planes[1:] = [cv2.resize(plane, full, interpolation=cv2.INTER_LINEAR) for plane in planes[1:]]
        sizes = [(width, height)] * 3
    else:
        half = ((width + 1) // 2, (height + 1) // 2)
        sizes = [(width, height), half, half]
    cropped = [plane[:rows, :columns] for plane, (columns, rows) in zip(planes, sizes, strict=True)]
    if pixel_format.endswith("10le"):
        cropped = [plane.astype("<u2") << 2 for plane in cropped]
    return [memoryview(np.ascontiguousarray(plane).tobytes()) for plane in cropped]
