"""Where faces are, from the raw outputs of YuNet and of CenterFace."""

from __future__ import annotations

import numpy as np

from opendrape_masker.detectors.detection import Boxes
from opendrape_masker.detectors.suppression import suppress_overlaps
from opendrape_masker.inference.port import Tensors

_YUNET_STRIDES = (8, 16, 32)
_CENTERFACE_STRIDE = 4
_YUNET_OVERLAP = 0.45
_CENTERFACE_OVERLAP = 0.3
_EMPTY = np.zeros((0, 5), dtype=np.float32)
_LARGEST_EXPONENT = 12.0


def decode_yunet(tensors: Tensors, size: tuple[int, int], floor_score: float) -> list[Boxes]:
    """Boxes per picture for input size (height, width), a multiple of 32.

    Per stride s and cell (row, column): centre = (cell + offset) * s, side = exp(log side) * s, score =
    sqrt(class * object). Source: libfacedetection.train, MIT/Apache-2.0, Wu et al., YuNet, 2023.
    """
    pictures = len(tensors["cls_8"])
    return [
        suppress_overlaps(
            np.concatenate([_yunet_level(tensors, picture, stride, size, floor_score) for stride in _YUNET_STRIDES]),
            _YUNET_OVERLAP,
        )
        for picture in range(pictures)
    ]


def _yunet_level(tensors: Tensors, picture: int, stride: int, size: tuple[int, int], floor_score: float) -> Boxes:
    product = tensors[f"cls_{stride}"][picture, :, 0] * tensors[f"obj_{stride}"][picture, :, 0]
    cells = np.flatnonzero(product >= floor_score * floor_score)
    if not len(cells):
        return _EMPTY
    shifts = tensors[f"bbox_{stride}"][picture, cells]
    rows, columns = np.divmod(cells, size[1] // stride)
    centres = (np.stack([columns, rows], axis=1) + shifts[:, :2]) * stride
    halves = np.exp(np.minimum(shifts[:, 2:], _LARGEST_EXPONENT)) * (stride / 2)
    return _rows(centres, halves, np.sqrt(np.clip(product[cells], 0, 1)))


def decode_centerface(tensors: Tensors, _size: tuple[int, int], floor_score: float) -> list[Boxes]:
    """Boxes per picture. At stride 4: centre = (cell + offset + 1/2) * 4, side = exp(log side) * 4, row first.

    Source: Xu et al., CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019.
    """
    pictures = len(tensors["heatmap"])
    return [
        suppress_overlaps(_centerface_picture(tensors, n, floor_score), _CENTERFACE_OVERLAP) for n in range(pictures)
    ]


def _centerface_picture(tensors: Tensors, picture: int, floor_score: float) -> Boxes:
    heat = tensors["heatmap"][picture, 0]
    rows, columns = np.nonzero(heat >= floor_score)
    if not len(rows):
        return _EMPTY
    sides = tensors["size"][picture][:, rows, columns][::-1].T
    offsets = tensors["offset"][picture][:, rows, columns][::-1].T
    centres = (np.stack([columns, rows], axis=1) + offsets + 0.5) * _CENTERFACE_STRIDE
    halves = np.exp(np.minimum(sides, _LARGEST_EXPONENT)) * (_CENTERFACE_STRIDE / 2)
    return _rows(centres, halves, np.clip(heat[rows, columns], 0, 1))


def _rows(centres: np.ndarray, halves: np.ndarray, scores: np.ndarray) -> Boxes:
    return np.concatenate([centres - halves, centres + halves, scores[:, None]], axis=1).astype(np.float32)
