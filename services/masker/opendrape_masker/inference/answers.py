"""Is this a batch that a model may be asked about, and is that an answer that a decoder may see?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from opendrape.errors import InferenceFailed
from opendrape_masker.inference.port import Pictures, Tensors
from opendrape_masker.inference.repository import GraphOutput


def check_batch(batch: Pictures) -> None:
    """``ValueError`` for anything but uint8 [N, H, W, 3] with at least one pixel."""
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3 or batch.size == 0:
        raise ValueError("a batch is uint8 [N, H, W, 3]")


def checked(model: str, outputs: Sequence[GraphOutput], pictures: int, answers: Sequence[Any]) -> Tensors:
    """The answers by name, in the order of ``outputs``. ``InferenceFailed`` when one is missing, has another shape
    or type, or holds a value that is not finite."""
    if len(answers) != len(outputs) or any(answer is None for answer in answers):
        raise InferenceFailed(f"model {model} lacks an output", reason="inference_output_missing")
    tensors: Tensors = {}
    for output, answer in zip(outputs, answers, strict=True):
        wanted = (pictures, *output.dims)
        if answer.ndim != len(wanted) or any(w not in (-1, got) for w, got in zip(wanted, answer.shape, strict=True)):
            raise InferenceFailed(f"model {model} answered in another shape", reason="inference_output_shape")
        if answer.dtype != np.float32:
            raise InferenceFailed(f"model {model} answered in another type", reason="inference_output_shape")
        # a sum is finite only if every value is, and needs no second array
        if not np.isfinite(answer.sum(dtype=np.float64)):
            raise InferenceFailed(f"model {model} answered with no number", reason="inference_output_not_finite")
        tensors[output.name] = answer
    return tensors
