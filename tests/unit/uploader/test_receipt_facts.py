"""D-06: a receipt claims what was done, and nothing else."""

from __future__ import annotations

import math

import pytest

from opendrape.domain.regions import ModelUse, ResidualFinding
from opendrape_uploader.receipt_facts import deidentification_codes, residual_independence, rounded
from tests.fakes.delivery import model, report

FACE, TEXT = model("face", "detect"), model("text", "detect")
PLATE = model("plate", "detect")


def _finding(role: str) -> ResidualFinding:
    return ResidualFinding(frame=1, role=role, score=0.123456789, x=1, y=2, width=3, height=4)


@pytest.mark.parametrize(
    ("models", "codes"),
    [
        ((FACE, TEXT), ["113100", "113101", "113102"]),
        ((FACE,), ["113100", "113102"]),
        ((TEXT,), ["113100", "113101"]),
        ((PLATE,), ["113100"]),
        ((model("face", "residual"), model("text", "residual")), ["113100"]),
    ],
)
def test_codes_follow_from_what_was_looked_for(models: tuple[ModelUse, ...], codes: list[str]) -> None:
    """D-06: DICOM PS3.15 method codes."""
    found = deidentification_codes(report(*models))
    assert [value for value, _, _ in found] == codes
    assert {scheme for _, scheme, _ in found} == {"DCM"}


def test_marked_regions_alone_claim_only_the_profile() -> None:
    """D-06: nobody knows what was in a region that a person marked."""
    marked = report().model_copy(update={"models": (), "masked_frames": 500})
    assert [value for value, _, _ in deidentification_codes(marked)] == ["113100"]


def test_what_the_second_look_still_found_is_not_claimed() -> None:
    """D-06: an output released in spite of a finding does not carry the code."""
    codes = deidentification_codes(report(FACE, TEXT, findings=(_finding("text"),)))
    assert [value for value, _, _ in codes] == ["113100", "113102"]


def test_what_a_cosmetic_effect_hid_is_not_claimed() -> None:
    """D-06, V-07: a blur earns no code; text that was painted over with solid colour keeps its own."""
    blurred = report(FACE, TEXT).model_copy(update={"cosmetic": ("face", "head")})
    assert [value for value, _, _ in deidentification_codes(blurred)] == ["113100", "113101"]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ((FACE, model("face", "residual", "bb" * 32)), "other-detector"),
        ((FACE, model("face", "residual")), "other-scale"),
        ((FACE, TEXT, model("face", "residual", "bb" * 32), model("text", "residual")), "other-detector"),
        ((FACE, TEXT, model("face", "residual"), model("text", "residual", "bb" * 32)), "other-scale"),
        ((FACE, TEXT, model("text", "residual")), "other-scale"),
        ((FACE, model("face", "opinion", "bb" * 32), model("face", "residual", "bb" * 32)), "other-scale"),
        ((FACE, TEXT), "none"),
    ],
)
def test_the_second_look_is_called_as_independent_as_it_was(models: tuple[ModelUse, ...], said: str) -> None:
    """D-06: the receipt says whether another detector or only another scale looked again."""
    assert residual_independence(models) == said


def test_numbers_are_rounded_and_finite() -> None:
    """D-06: canonical JSON knows no infinity."""
    given = report(findings=(_finding("face"),), psnr=math.inf)
    given = given.model_copy(update={"seconds": {"decode": 1.23456, "broken": math.nan}})
    shown = rounded(given)
    assert shown.seconds == {"decode": 1.235}
    assert shown.checks.worst_psnr_db is None
    assert shown.checks.residual_findings[0].score == 0.1235
    assert rounded(report()).checks.worst_psnr_db == 41.23
    assert rounded(report(psnr=None)).checks.worst_psnr_db is None
