"""V-07: `policy explain` says how each class is masked, and calls a cosmetic effect cosmetic."""

from __future__ import annotations

from typing import Any

import pytest

from opendrape.cli.mask_words import mask_lines
from opendrape.cli.policy_words import explain
from opendrape.domain.mask_rule import ClassLook, Effect, MaskRule, Shape
from opendrape.domain.policy import Policy

CHANGES: dict[str, Any] = {
    "effect": Effect.PIXELATE,
    "shape": Shape.ELLIPSE,
    "colour_rgb": (1, 2, 3),
    "dilate_pixels": 9,
    "cells_across": 1,
    "classes": {"face": ClassLook(effect=Effect.PIXELATE)},
}


def words(rule: MaskRule) -> str:
    return "\n".join(mask_lines(rule))


@pytest.mark.parametrize("field", MaskRule.model_fields)
def test_every_field_of_the_rule_shows_in_the_words(field: str) -> None:
    """V-01: a new field that nobody explains fails here."""
    before = MaskRule(effect=Effect.BLUR)
    assert words(before.model_copy(update={field: CHANGES[field]})) != words(before)


def test_solid_is_said_to_be_final_and_nothing_is_called_cosmetic() -> None:
    """V-07: the default."""
    text = words(MaskRule())
    assert "cannot be computed back" in text
    assert "cosmetic" not in text


@pytest.mark.parametrize("effect", [effect for effect in Effect if effect.is_cosmetic])
def test_every_other_effect_is_called_cosmetic_even_for_one_class_only(effect: Effect) -> None:
    """V-07: nobody takes a blur for de-identification."""
    rule = MaskRule(classes={"car": ClassLook(effect=effect)})
    assert "do not de-identify" in words(rule)
    assert f"car: {effect}, " in words(rule)
    assert rule.cosmetic_labels == ("car",)
    assert len(MaskRule(effect=effect).cosmetic_labels) > 5


def test_the_words_are_part_of_the_explanation_of_a_policy() -> None:
    """V-01."""
    mask = MaskRule(colour_rgb=(7, 8, 9))
    assert "  in the colour 7, 8, 9 (red, green, blue) where it is solid" in list(
        explain(Policy(name="p", summary="s", mask=mask))
    )
