"""What an operating room puts on or before a face: a surgical mask, a cap, a drape."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from opendrape_masker.synthetic.picture import Array

_MASK_RGB = (150, 186, 205)
_CAP_RGB = (86, 140, 150)
_DRAPE_RGB = (70, 120, 112)
_SCALE = 4  # drawn this much larger, so that edges are soft

# Corners in shares of the face's width and height, from its upper left corner.
_MASK = ((0.01, 0.50), (0.30, 0.44), (0.50, 0.40), (0.70, 0.44), (0.99, 0.50), (0.94, 0.82), (0.72, 1.03), (0.50, 1.08))
_MASK_REST = ((0.28, 1.03), (0.06, 0.82))
_CAP = ((-0.30, 0.16), (-0.36, -0.25), (-0.10, -0.68), (0.50, -0.86), (1.10, -0.68), (1.36, -0.25), (1.30, 0.16))
_CAP_REST = ((1.0, 0.06), (0.5, 0.0), (0.0, 0.06))
_DRAPE = ((0.66, -1.2), (2.2, -1.2), (2.2, 2.2), (0.58, 2.2), (0.70, 0.5))


def disguised(rgb: Array, face: tuple[float, float, float, float], look: str) -> Array:
    """The photograph with what ``look`` asks for drawn over it; a copy. ``face`` is the box in it."""
    drawn = rgb.copy()
    if look in {"masked", "masked-cap"}:
        drawn = _cloth(drawn, face, (*_MASK, *_MASK_REST), _MASK_RGB, pleats=3)
    if look in {"cap", "masked-cap"}:
        drawn = _cloth(drawn, face, (*_CAP, *_CAP_REST), _CAP_RGB, pleats=0)
    if look == "covered":
        drawn = _cloth(drawn, face, _DRAPE, _DRAPE_RGB, pleats=0)
    return drawn


def _cloth(
    rgb: Array,
    face: tuple[float, float, float, float],
    outline: Sequence[tuple[float, float]],
    colour: tuple[int, int, int],
    *,
    pleats: int,
) -> Array:
    """Cloth of one colour, shaded by what lies under it and by folds."""
    x0, y0, x1, y1 = face
    corners = [((x0 + x * (x1 - x0)) * _SCALE, (y0 + y * (y1 - y0)) * _SCALE) for x, y in outline]
    rows, columns = rgb.shape[:2]
    large = np.zeros((rows * _SCALE, columns * _SCALE), np.uint8)
    cv2.fillPoly(large, [np.array(corners, np.int32)], 255)
    cover = cv2.resize(large, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    shade = _shading(rgb, (y1 - y0) / 6) * _folds(rows, y0, y1, pleats)[:, None]
    cloth = np.clip(np.array(colour, np.float32) * shade[..., None], 0, 255)
    mixed: Array = (rgb * (1 - cover) + cloth * cover).round().astype(np.uint8)
    return mixed


def _shading(rgb: Array, sigma: float) -> Array:
    """Light and shadow of the face, without its features: 0.6 to 1.2."""
    luma = cv2.GaussianBlur(rgb.astype(np.float32).mean(axis=2), (0, 0), sigma)
    shade: Array = np.clip(0.6 + 0.6 * luma / max(1.0, float(luma.max())), 0.6, 1.2)
    return shade


def _folds(rows: int, top: float, bottom: float, pleats: int) -> Array:
    """A factor per row: a dark line under each pleat of a mask."""
    factor: Array = np.ones(rows, np.float32)
    for pleat in range(pleats):
        at = top + (bottom - top) * (0.62 + 0.12 * pleat)
        factor -= 0.22 * np.exp(-(((np.arange(rows) - at) / 1.2) ** 2)).astype(np.float32)
    return factor
