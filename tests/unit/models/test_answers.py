"""V-02, V-17: is an answer that a decoder must not see always an error, never an empty list?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opendrape.errors import InferenceFailed
from opendrape_masker.inference.answers import checked
from opendrape_masker.inference.repository import GraphOutput

OUTPUTS = (GraphOutput(name="boxes", source="b", dims=(-1, 4)), GraphOutput(name="scores", source="s", dims=(-1, 1)))
BOXES, SCORES = np.zeros((2, 5, 4), np.float32), np.zeros((2, 5, 1), np.float32)


def test_good_answers_come_by_name() -> None:
    """V-17."""
    assert list(checked("m", OUTPUTS, 2, [BOXES, SCORES])) == ["boxes", "scores"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([BOXES], "inference_output_missing"),
        ([BOXES, None], "inference_output_missing"),
        ([], "inference_output_missing"),
        ([BOXES[:1], SCORES[:1]], "inference_output_shape"),
        ([BOXES[..., :3], SCORES], "inference_output_shape"),
        ([BOXES[0], SCORES], "inference_output_shape"),
        ([BOXES.astype(np.float64), SCORES], "inference_output_shape"),
        ([np.full_like(BOXES, np.nan), SCORES], "inference_output_not_finite"),
        ([np.full_like(BOXES, np.inf), SCORES], "inference_output_not_finite"),
    ],
)
def test_bad_answers_are_errors(answers: list[Any], reason: str) -> None:
    """V-02: which model and why, no detections."""
    with pytest.raises(InferenceFailed) as caught:
        checked("m", OUTPUTS, 2, answers)
    assert caught.value.reason == reason
