"""Which of several overlapping boxes stays."""

from __future__ import annotations

import numpy as np

from opendrape_masker.detectors.detection import Boxes


def suppress_overlaps(boxes: Boxes, overlap: float) -> Boxes:
    """Greedy non-maximum suppression: rows [x0, y0, x1, y1, score, ...], best score first.

    A box goes when its intersection over union with a better one exceeds ``overlap``.
    """
    remaining = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        remaining = remaining[intersection_over_union(best, remaining) <= overlap]
    return np.array(kept, dtype=np.float32).reshape(-1, boxes.shape[1])


def intersection_over_union(box: Boxes, others: Boxes) -> Boxes:
    """Of one box [5] with each of others [K, 5]; 0 where both are empty."""
    sides = np.minimum(box[2:4], others[:, 2:4]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    union = np.prod(box[2:4] - box[:2]) + np.prod(others[:, 2:4] - others[:, :2], axis=1) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), dtype=np.float32)
