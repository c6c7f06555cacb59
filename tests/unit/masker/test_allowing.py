"""V-04: harmless text stays visible only when surely read, matching as a whole, and no look of its track differs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.timeline import Timeline
from opendrape_masker.detectors.allowing import (
    AllowingDetector,
    AllowingReader,
    linking_harmless,
    without_harmless,
)
from opendrape_masker.detectors.reading import ReadLine, certainties
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.sightings import Seen
from tests.fakes.detectors import ScriptedDetector

CLOCK = (re.compile(r"\d\d:\d\d"),)
SURE = 0.99
RULE = DetectRule(
    role=Role.TEXT,
    max_gap_seconds=Fraction(1),
    motion=Motion.STATIC,
    long_side_pixels=(960,),
    strong_score=0.5,
    weak_score=0.5,
    bridge_seconds=Fraction(2),
    hold_seconds=Fraction(1),
)
TIMELINE = Timeline(Fraction(1, 10), list(range(120)), (0,), 120)
BOX = (10.0, 10.0, 60.0, 20.0)


@dataclass
class SaysByFrame:
    """A reader that reads the same in every box."""

    line: ReadLine

    def read_text(self, picture: object, boxes: Sequence[object]) -> list[str]:
        return [self.line.text for _ in boxes]

    def read_lines(self, picture: object, boxes: Sequence[object]) -> list[ReadLine]:
        return [self.line for _ in boxes]


def score_of(line: ReadLine) -> float:
    rule = linking_harmless(RULE)
    inner = ScriptedDetector({0: [(*BOX, 0.8)]}, (100, 50), role=Role.TEXT)
    detector = AllowingDetector(inner, SaysByFrame(line), CLOCK, rule.weak_score)
    ((hit,),) = detector.detect([np.zeros((50, 100, 3), np.uint8)], [0])
    return hit.score


def test_only_text_that_is_surely_read_and_matches_is_harmless() -> None:
    """V-04: unreadable, doubtful or other text keeps its score."""
    assert score_of(ReadLine("12:30", SURE, SURE)) < RULE.strong_score
    for line in (
        ReadLine("12:30 DOE", SURE, SURE),
        ReadLine("", 0.0, 0.0),
        ReadLine("12:30", 0.8, 0.8),
        ReadLine("12:30", SURE, 0.4),
    ):
        assert score_of(line) == 0.8, line


def masked(harmless_at: Mapping[int, bool]) -> set[int]:
    """Looks whose frame is masked, for a text at one place that is harmless at some looks."""
    rule = linking_harmless(RULE)
    line = TrackLine(rule, TIMELINE, TIMELINE.looks(rule.max_gap_seconds))
    for look in range(len(line.looks)):
        if look in harmless_at:
            line.add(look, [Seen(Box(*BOX), rule.weak_score if harmless_at[look] else 0.8)])
        else:
            line.add(look, [])
    return {look for look, frame in enumerate(line.looks) if line.regions(frame)}


def test_text_that_is_harmless_at_every_look_is_not_masked() -> None:
    """V-04."""
    assert masked(dict.fromkeys(range(10), True)) == set()


def test_one_look_that_is_not_harmless_masks_the_track_as_far_as_it_links() -> None:
    """V-04: a name that is read as a clock once, or the other way round, is masked there and around."""
    assert {3, 4, 5, 6, 7} <= masked({look: look != 5 for look in range(10)})
    assert masked(dict.fromkeys(range(10), False)) == set(range(11))


def test_a_single_misreading_of_a_name_uncovers_nothing() -> None:
    """V-04: fail closed."""
    assert masked({look: look == 5 for look in range(12)}) >= set(range(11))


def test_the_second_look_does_not_read_harmless_text() -> None:
    """V-04, V-15: what was left visible on purpose is no finding; anything else is."""
    picture = np.zeros((50, 100, 3), np.uint8)
    assert AllowingReader(SaysByFrame(ReadLine("12:30", SURE, SURE)), CLOCK).read_text(picture, [BOX]) == [""]
    assert AllowingReader(SaysByFrame(ReadLine("DOE", SURE, SURE)), CLOCK).read_text(picture, [BOX]) == ["DOE"]


def test_the_text_detector_is_asked_for_no_more_than_without_a_list() -> None:
    """V-04: the lower weak score is for harmless text, not for more detections."""
    assert without_harmless(linking_harmless(RULE)).weak_score == pytest.approx(RULE.weak_score)


def test_a_lines_certainty_counts_each_character_at_its_surest_step() -> None:
    """V-04: classes 0 (nothing), 1, 2; the first character spans two steps."""
    steps = [(0.05, 0.9, 0.05), (0.3, 0.6, 0.1), (0.9, 0.05, 0.05), (0.2, 0.1, 0.7)]
    (mean, weakest), nothing = certainties(np.array([steps, [(1, 0, 0)] * 4], np.float32))
    assert weakest == pytest.approx(0.7)
    assert mean == pytest.approx(0.8)
    assert nothing == (0.0, 0.0)
