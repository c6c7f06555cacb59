"""V-01: `policy explain` says what a policy does, from the object that the code works with, and misses nothing."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from opendrape.adapters.policy_files import read_policy
from opendrape.cli.policy_words import WORDS, explain
from opendrape.domain.policy import AudioRule, DetectRule, EncodeRule, OpinionRule, Policy, ResidualRule, Role
from opendrape.domain.scene_rules import CaseSheetRule, OutOfBodyRule, OverlayRule
from opendrape.settings import shipped

RULES = (DetectRule, OpinionRule, AudioRule, EncodeRule, ResidualRule)
NESTED = {"detect", "opinion", "mask", "audio", "encode", "residual", "overlays", "out_of_body", "case_sheet"}


@pytest.mark.parametrize("rule", [*RULES, OutOfBodyRule, CaseSheetRule, OverlayRule])
def test_every_field_of_every_rule_has_its_sentence(rule: type[BaseModel]) -> None:
    """V-01: a new field that nobody explains fails here."""
    assert set(WORDS[rule]) == set(rule.model_fields)


def test_every_field_of_a_policy_is_explained_or_is_a_rule_of_its_own() -> None:
    """V-01."""
    assert set(WORDS[Policy]) | NESTED == set(Policy.model_fields)


def test_the_numbers_in_the_text_are_those_of_the_policy() -> None:
    """V-01, V-02: change the policy and the text changes."""
    faces = read_policy((shipped("policies"),), "faces")
    text = "\n".join(explain(faces))
    assert "looks for: face" in text
    assert "at least every 0.2 s" in text
    assert "longest side at 640 pixels" in text
    slower = faces.model_copy(update={"encode": faces.encode.model_copy(update={"crf": 31})})
    assert "constant quality 31" in "\n".join(explain(slower))


def test_a_limit_that_is_off_is_not_told_as_one() -> None:
    """V-01: "larger than 0 pixels is left to another rule" would be everything."""
    rule = DetectRule(role=Role.TEXT, max_gap_seconds=1, long_side_pixels=(640,), strong_score=0.5, weak_score=0.5)
    limited = rule.model_copy(update={"largest_pixels": 96, "from_pixels": 1600, "read_below": 0.8})
    plain, told = ("\n".join(explain(Policy(name="x", summary="", detect=(one,)))) for one in (rule, limited))
    for words in ("left to another rule", "only in videos", "add up to", "something can be read"):
        assert words not in plain
    for words in ("larger than 96 pixels", "1600 pixels or more", "under 0.8 counts"):
        assert words in told


def test_a_policy_that_detects_nothing_says_so() -> None:
    """V-01: minimal masks only what somebody marked."""
    lines = list(explain(read_policy((shipped("policies"),), "minimal")))
    assert any("only marked regions" in line for line in lines)
    assert any(line.startswith("residual check: none") for line in lines)


def test_promised_roles_are_named() -> None:
    """V-01: a policy may promise more than it looks for itself."""
    full = read_policy((shipped("policies"),), "full")
    text = "\n".join(explain(full.model_copy(update={"require_roles": (Role.PLATE, Role.OUT_OF_BODY)})))
    assert "plate, out-of-body" in text


def test_full_says_what_it_looks_for() -> None:
    """V-01: faces, people and vehicles, screens, all text."""
    text = "\n".join(explain(read_policy((shipped("policies"),), "full")))
    for role in ("face", "person-vehicle", "screen", "text"):
        assert f"looks for: {role}" in text
    assert "where it looks like inside a body, is tissue" in text
