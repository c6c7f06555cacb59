"""V-04: which patterns may declare text harmless, and what they match."""

from __future__ import annotations

import re
import time

import pytest
from pydantic import ValidationError

from opendrape.domain.policy import Policy, Role
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.scene_rules import CaseSheetRule, checked_pattern, is_allowed

CLOCK = r"\d\d:\d\d(:\d\d)?"


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        ".+",
        r"[\w ,]+",
        r"(\w+ )(?=x)",
        r"(a+)+",
        r"(a|b)*",
        r"(x)\1",
        "(",
        "",
        "a" * 121,
        r"\d*\d*\d*\d*",
        "(?i)x",
    ],
)
def test_a_pattern_that_is_too_wide_or_too_slow_is_refused(pattern: str) -> None:
    """V-04: an allow-list must not become a hole."""
    with pytest.raises(ValueError, match=r".+"):
        checked_pattern(pattern)


def test_a_policy_with_such_a_pattern_cannot_be_made() -> None:
    """V-04: the policy file is refused, not the pattern ignored."""
    with pytest.raises(ValidationError):
        Policy(name="x", summary="x", text_allow=(".*",))


@pytest.mark.parametrize("pattern", [CLOCK, r"ZOOM \d\.\dx", r"CUT \d{1,3} W", "REC|PAUSE", r"WB\+?"])
def test_ordinary_overlay_text_can_be_allowed(pattern: str) -> None:
    """V-04."""
    assert Policy(name="x", summary="x", text_allow=(pattern,)).text_allow == (pattern,)


def test_only_the_whole_line_matches() -> None:
    """V-04: a clock beside a name is not harmless."""
    patterns = (re.compile(CLOCK),)
    assert is_allowed(" 12:30:07 ", patterns)
    assert not is_allowed("12:30 DOE, JANE", patterns)
    assert not is_allowed("", patterns)
    assert not is_allowed("1" * 65, (re.compile(r"\d+"),))


def test_the_slowest_pattern_that_is_accepted_takes_bounded_time() -> None:
    """V-04: a video must not be able to stall the masker by what is written in it."""
    pattern = re.compile(checked_pattern(r"1*1*1*x"))
    started = time.process_time()
    assert not is_allowed("1" * 64, (pattern,))
    assert time.process_time() - started < 2.0


def test_an_allow_list_asks_for_a_reader_and_no_list_for_none() -> None:
    """V-04, V-17: recognition runs only when there is something to allow."""
    assert Role.TEXT_RECOGNITION in Policy(name="x", summary="x", text_allow=(CLOCK,)).roles
    assert Role.TEXT_RECOGNITION not in Policy(name="x", summary="x").roles


def test_a_case_sheet_asks_for_a_text_detector() -> None:
    """V-06, V-17: paper alone is a swab or a wall; the lines on it decide."""
    assert Policy(name="x", summary="x", case_sheet=CaseSheetRule()).roles == {Role.TEXT}


def test_a_confirmed_interval_goes_forwards() -> None:
    """V-05."""
    with pytest.raises(ValidationError):
        ConfirmedInterval(start_frame=5, end_frame=5, where="in_body")
