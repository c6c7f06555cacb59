"""Where people, vehicles, screens and plates are, from the raw outputs of networks that tell many classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from opendrape.domain.things import VEHICLES, Thing
from opendrape_masker.detectors.detection import Boxes, Classes
from opendrape_masker.detectors.suppression import suppress_overlaps
from opendrape_masker.inference.port import Tensors

Array = npt.NDArray[np.float32]
_STRIDES = (8, 16, 32)
_OVERLAP = 0.6
_BINS = 8
_LARGEST_EXPONENT = 12.0
_NORMALISED_SSD_OVERLAP = 0.45


def decode_yolox(tensors: Tensors, size: tuple[int, int], floor_score: float, classes: Classes) -> list[Boxes]:
    """Rows with a class per picture; input size (height, width) is a multiple of 32.

    Per stride s and cell: centre = (cell + offset) * s, side = exp(log side) * s, score = object * class.
    Source: Ge et al., YOLOX: Exceeding YOLO Series in 2021.
    """
    cells, strides = _grid(size, shift=0.0)
    found = []
    for answers in tensors["boxes"]:
        centres = (answers[:, :2] + cells) * strides
        halves = np.exp(np.minimum(answers[:, 2:4], _LARGEST_EXPONENT)) * (strides / 2)
        scores = answers[:, 5:] * answers[:, 4:5]
        found.append(_best(np.concatenate([centres - halves, centres + halves], axis=1), scores, classes, floor_score))
    return found


def decode_nanodet(tensors: Tensors, size: tuple[int, int], floor_score: float, classes: Classes) -> list[Boxes]:
    """Rows with a class per picture. From the middle of a cell the four sides lie at the mean of a distribution.

    Distance = sum(bin * softmax(bins)) * stride, over eight bins. Source: RangiLyu/nanodet; Li et al., Generalized
    Focal Loss, 2020.
    """
    cells, strides = _grid(size, shift=0.5)
    found = []
    for picture in range(len(tensors["scores_8"])):
        scores = np.concatenate([tensors[f"scores_{stride}"][picture] for stride in _STRIDES])
        bins = np.concatenate([tensors[f"sides_{stride}"][picture] for stride in _STRIDES])
        reach = _mean_of_bins(bins) * strides
        middles = cells * strides
        boxes = np.concatenate([middles - reach[:, :2], middles + reach[:, 2:]], axis=1)
        found.append(_best(boxes, scores, classes, floor_score))
    return found


def decode_ssd(tensors: Tensors, size: tuple[int, int], floor_score: float, classes: Classes) -> list[Boxes]:
    """Rows with a class per picture, from boxes that are shares of the picture and one score per class."""
    scale = np.array([size[1], size[0], size[1], size[0]], np.float32)
    pairs = zip(tensors["boxes"], tensors["scores"], strict=True)
    return [_best(boxes * scale, scores, classes, floor_score, _NORMALISED_SSD_OVERLAP) for boxes, scores in pairs]


DecodeClasses = Callable[[Tensors, tuple[int, int], float, Classes], list[Boxes]]


def _grid(size: tuple[int, int], *, shift: float) -> tuple[Array, Array]:
    """Column and row of every cell (plus ``shift``) [K, 2] and its stride [K, 1], finest level first, row by row."""
    cells, strides = [], []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1) + shift)
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _mean_of_bins(bins: Array) -> Array:
    """[K, 4 * 8] logits -> [K, 4] expected bin numbers."""
    logits = bins.reshape(len(bins), 4, _BINS)
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares = powers / powers.sum(axis=2, keepdims=True)
    return np.asarray(shares @ np.arange(_BINS, dtype=np.float32), np.float32)


def _best(boxes: Array, scores: Array, classes: Classes, floor_score: float, overlap: float = _OVERLAP) -> Boxes:
    """Rows [x0, y0, x1, y1, score, thing]; things that are easily taken for each other suppress each other."""
    things = [_rows_of(boxes, scores, number, columns, floor_score) for number, columns in enumerate(classes.values())]
    kept = [suppress_overlaps(np.concatenate([things[n] for n in group]), overlap) for group in _rivals(tuple(classes))]
    rows = np.concatenate(kept)
    return np.asarray(rows[np.argsort(-rows[:, 4], kind="stable")], np.float32)


def _rows_of(boxes: Array, scores: Array, number: int, columns: Sequence[int], floor_score: float) -> Boxes:
    best = scores[:, list(columns)].max(axis=1)
    chosen = np.flatnonzero(best >= floor_score)
    extra = np.stack([np.clip(best[chosen], 0, 1), np.full(len(chosen), number, np.float32)], axis=1)
    return np.concatenate([boxes[chosen], extra], axis=1).astype(np.float32)


def _rivals(things: tuple[Thing, ...]) -> list[list[int]]:
    vehicles = [number for number, thing in enumerate(things) if thing in VEHICLES]
    others = [[number] for number, thing in enumerate(things) if thing not in VEHICLES]
    return [*others, *([vehicles] if vehicles else [])]
