"""V-05: when the endoscope is out of the body, told as intervals; what a person said wins both ways."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from opendrape.domain.policy import DetectRule, Motion, Policy, Role
from opendrape.domain.scene_facts import BodyInterval, ConfirmedInterval
from opendrape.domain.scene_rules import OutOfBodyRule
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.engine.body_time import BodyTime, RememberingDetector, joined, spared_spans, where_confirmed
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.sightings import Seen
from opendrape_masker.engine.working import working_policy
from tests.fakes.detectors import ScriptedDetector

RULE = DetectRule(
    role=Role.OUT_OF_BODY,
    max_gap_seconds=Fraction(1, 2),
    motion=Motion.STATIC,
    long_side_pixels=(256,),
    strong_score=0.5,
    weak_score=0.3,
    grow=0.0,
    bridge_seconds=Fraction(2),
    hold_seconds=Fraction(1, 2),
)
TIMELINE = Timeline(Fraction(1, 10), list(range(200)), (0,), 200)
LOOKS = TIMELINE.looks(RULE.max_gap_seconds)
WHOLE = FrameSpan(0, 200)


def scores(outside: dict[tuple[int, int], float]) -> dict[int, float]:
    """By examined frame: the score of the interval it lies in, else 0."""
    return {look: max([s for (a, b), s in outside.items() if a <= look < b], default=0.0) for look in LOOKS}


def told(outside: dict[tuple[int, int], float], *, confirmed: tuple[ConfirmedInterval, ...] = ()) -> list[BodyInterval]:
    return list(BodyTime(RULE, 0.75, TIMELINE, WHOLE, confirmed).intervals(scores(outside)))


def masked_frames(found: list[BodyInterval]) -> set[int]:
    return {frame for one in found if one.masked for frame in range(one.start_frame, one.end_frame)}


def test_certain_time_is_told_with_its_frames_and_seconds() -> None:
    """V-05: held half a second beyond the looks, which is uncertain time."""
    found = told({(50, 101): 0.9})
    assert masked_frames(found) >= set(range(46, 105))
    (certain,) = [one for one in found if one.certainty == "certain"]
    assert certain.start_frame <= 50
    assert certain.end_frame >= 100
    assert Fraction(certain.start_seconds) == Fraction(certain.start_frame, 10)
    assert Fraction(certain.end_seconds) == Fraction(certain.end_frame, 10)


def test_inside_the_body_nothing_is_told() -> None:
    """V-05."""
    assert told({}) == []


def test_probable_time_is_masked_and_uncertain() -> None:
    """V-05: fail closed, and a person decides."""
    found = told({(50, 101): 0.6})
    assert {one.certainty for one in found} == {"uncertain"}
    assert masked_frames(found) >= set(range(50, 100))


def test_a_weak_look_counts_beside_a_strong_one_and_is_only_told_alone() -> None:
    """V-05: the hysteresis of the rule."""
    beside = told({(50, 70): 0.9, (70, 80): 0.4})
    assert masked_frames(beside) >= set(range(50, 80))
    alone = told({(50, 70): 0.4})
    assert masked_frames(alone) == set()
    assert {one.certainty for one in alone} == {"uncertain"}


def test_a_short_gap_between_two_looks_outside_is_bridged() -> None:
    """V-05: somebody's hand before the lens does not open the curtain."""
    assert masked_frames(told({(40, 60): 0.9, (70, 90): 0.9})) >= set(range(40, 85))


def test_what_a_person_confirmed_wins_both_ways() -> None:
    """V-05: confirmed inside is shown, confirmed outside is blacked, whatever the detector says."""
    confirmed = (
        ConfirmedInterval(start_frame=60, end_frame=80, where="in_body"),
        ConfirmedInterval(start_frame=150, end_frame=160, where="out_of_body"),
    )
    found = told({(50, 101): 0.9}, confirmed=confirmed)
    assert not masked_frames(found) & set(range(60, 80))
    (said,) = [one for one in found if one.certainty == "confirmed"]
    assert (said.start_frame, said.end_frame, said.masked) == (150, 160, True)


def test_two_people_who_disagree_leave_it_outside() -> None:
    """V-05: fail closed."""
    both = (
        ConfirmedInterval(start_frame=0, end_frame=9, where="in_body"),
        ConfirmedInterval(start_frame=5, end_frame=7, where="out_of_body"),
    )
    assert [where_confirmed(both, frame) for frame in (4, 5, 7, 9)] == ["in_body", "out_of_body", "in_body", None]


def test_confirmed_frames_are_spared_by_the_line_that_makes_the_masks() -> None:
    """V-05: not only in the report."""
    line = TrackLine(RULE, TIMELINE, LOOKS)
    line.spared = spared_spans((ConfirmedInterval(start_frame=60, end_frame=80, where="in_body"),))
    for look in range(len(LOOKS)):
        line.add(look, [Seen(Box(0, 0, 9, 9), 0.9)])
    assert [bool(line.regions(frame)) for frame in (59, 60, 79, 80)] == [True, False, False, True]


@pytest.mark.parametrize("seam", [48, 75, 103])
def test_intervals_are_the_same_wherever_the_video_is_cut(seam: int) -> None:
    """V-05, O-04: two chunks, each knowing the looks around it, joined."""
    seen = scores({(50, 101): 0.9, (110, 120): 0.4})
    whole = BodyTime(RULE, 0.75, TIMELINE, WHOLE).intervals(seen)
    parts = [
        *BodyTime(RULE, 0.75, TIMELINE, FrameSpan(0, seam)).intervals(seen),
        *BodyTime(RULE, 0.75, TIMELINE, FrameSpan(seam, 200)).intervals(seen),
    ]
    assert tuple(joined(parts)) == whole


def test_uncertain_time_is_shown_only_when_the_policy_says_so() -> None:
    """V-05: the default masks it."""
    policy = Policy(name="x", summary="x", detect=(RULE,))
    assert working_policy(policy).detect[0].strong_score == RULE.strong_score
    shown = policy.model_copy(update={"out_of_body": OutOfBodyRule(uncertain="show")})
    assert working_policy(shown).detect[0].strong_score == 0.75


def test_the_remembered_scores_are_those_of_the_frames_that_were_looked_at() -> None:
    """V-05: nothing seen is remembered as nothing, not forgotten."""
    detector = RememberingDetector(ScriptedDetector({5: [(0, 0, 9, 9, 0.7)]}, (9, 9), role=Role.OUT_OF_BODY))
    picture = np.zeros((9, 9, 3), np.uint8)
    found = detector.detect([picture, picture], [5, 6])
    assert [len(hits) for hits in found] == [1, 0]
    assert detector.scores == {5: 0.7, 6: 0.0}
