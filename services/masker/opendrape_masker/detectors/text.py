"""Where lines of text are, from the probability map of a differentiable-binarization network."""

from __future__ import annotations

import cv2
import numpy as np

from opendrape_masker.detectors.detection import Boxes
from opendrape_masker.inference.port import Tensors

_PIXEL_THRESHOLD = 0.3
_UNCLIP = 1.6
_LEAST_SIDE = 3
_EMPTY = np.zeros((0, 5), dtype=np.float32)


def decode_text(tensors: Tensors, _size: tuple[int, int], floor_score: float) -> list[Boxes]:
    """Upright boxes per picture around connected text pixels.

    The score is the probability of the text pixels spread over the tightest (rotated) rectangle around them, nearly
    as in the reference post-processing: a line of text fills its rectangle, a patch of texture does not.

    The network is trained to answer with shrunken text, so each side moves out by area * 1.6 / perimeter (Liao et
    al., Real-time Scene Text Detection with Differentiable Binarization, 2020).
    """
    return [_text_picture(probability[0], floor_score) for probability in tensors["probability"]]


def _text_picture(probability: np.ndarray, floor_score: float) -> Boxes:
    pixels = (probability > _PIXEL_THRESHOLD).astype(np.uint8)
    # neighbours one pixel apart are one line, as in the reference post-processing
    joined = cv2.dilate(pixels, np.ones((2, 2), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count <= 1:
        return _EMPTY
    chosen = pixels.ravel() > 0
    names = labels.ravel()[chosen]
    sums = np.bincount(names, weights=probability.ravel()[chosen], minlength=count)[1:]
    scores = sums / np.maximum(_rectangle_areas(labels * pixels, statistics[1:]), 1)
    boxes = _unclipped(statistics[1:, :4].astype(np.float32), scores.astype(np.float32))
    boxes = boxes[(scores >= floor_score) & (statistics[1:, 2:4].min(axis=1) >= _LEAST_SIDE)]
    return np.asarray(boxes[np.argsort(-boxes[:, 4], kind="stable")], dtype=np.float32)


def _rectangle_areas(labels: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """Area of the tightest rotated rectangle around the text pixels of each component, without the joints."""
    areas = []
    for name, (x, y, width, height, _) in enumerate(statistics, start=1):
        window = (labels[y : y + height, x : x + width] == name).astype(np.uint8)
        (_, (across, down), _) = cv2.minAreaRect(cv2.findNonZero(window))
        areas.append((across + 1) * (down + 1))
    return np.array(areas)


def _unclipped(components: np.ndarray, scores: np.ndarray) -> Boxes:
    x, y, width, height = components.T
    reach = width * height * _UNCLIP / (2 * (width + height))
    return np.stack([x - reach, y - reach, x + width + reach, y + height + reach, scores], axis=1).astype(np.float32)
