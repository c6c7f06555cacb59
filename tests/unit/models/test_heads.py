"""V-03: a face that is lost stays hidden while its body is seen; nobody without a face is masked for it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from opendrape.domain.policy import DetectRule, Policy, Role
from opendrape.domain.things import Thing
from opendrape.domain.timeline import Timeline
from opendrape_masker.detectors.heads import HeadsOfPeople, head_of
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.sightings import Seen
from tests.fakes.detectors import Hit, ScriptedDetector

SIZE = (640, 480)
BODY = (200.0, 100.0, 300.0, 400.0, 0.9)
FACE = (235.0, 110.0, 265.0, 150.0, 0.8)
RULE = DetectRule(
    role=Role.HEAD,
    max_gap_seconds=Fraction(2, 5),
    long_side_pixels=(640,),
    strong_score=0.5,
    weak_score=0.12,
    grow=0.0,
    bridge_seconds=Fraction(2),
    hold_seconds=Fraction(2, 5),
)
LINE = Timeline(Fraction(1, 30), tuple(range(240)), (0,), 240)


def seen(bodies: list[Hit], faces: list[Hit]) -> list[Seen]:
    people = ScriptedDetector({0: bodies}, SIZE, role=Role.PERSON_VEHICLE)
    detector = HeadsOfPeople(people, ScriptedDetector({0: faces}, SIZE))
    [found] = detector.detect([np.zeros((480, 640, 3), np.uint8)], [0])
    assert {(hit.role, hit.thing) for hit in found} <= {(Role.HEAD, Thing.HEAD)}
    return [Seen(Box(hit.x0, hit.y0, hit.x1, hit.y1), hit.score, hit.thing) for hit in found]


def line(looks: dict[int, list[Seen]]) -> TrackLine:
    track = TrackLine(RULE, LINE, LINE.looks(RULE.max_gap_seconds), SIZE)
    for number in range(len(track.looks)):
        track.add(number, looks.get(number, []))
    return track


def test_a_body_with_a_face_gives_a_strong_head_around_the_face_and_one_without_a_weak_one() -> None:
    """V-03: the face is inside, however far it leans."""
    [strong] = seen([BODY], [FACE])
    [weak] = seen([BODY], [])
    assert strong.score >= RULE.strong_score > weak.score >= RULE.weak_score
    assert covered_share(Box(*FACE[:4]), [strong.box]) == covered_share(Box(*FACE[:4]), [weak.box]) == 1.0
    leaning = (265.0, 105.0, 299.0, 150.0, 0.8)
    [wide] = seen([BODY], [leaning])
    assert covered_share(Box(*leaning[:4]), [wide.box]) == 1.0


def test_a_face_below_the_head_belongs_to_somebody_else() -> None:
    """V-03: a face before somebody's chest does not make that body's head certain."""
    [weak] = seen([BODY], [(235.0, 300.0, 265.0, 340.0, 0.9)])
    assert weak.score < RULE.strong_score


@pytest.mark.parametrize("body", [(0.0, 0.0, 100.0, 700.0), (0.0, 0.0, 300.0, 320.0)])
def test_a_head_is_the_upper_part_and_large_enough(body: tuple[float, float, float, float]) -> None:
    """V-03: a seventh of a standing body, a third of a sitting one, and some room."""
    x0, y0, x1, y1 = head_of(body)
    height = body[3] - body[1]
    assert height / 7 < y1 - y0 <= 0.55 * height
    assert (x0 + x1) / 2 == (body[0] + body[2]) / 2
    assert y0 < body[1]


def test_who_turns_away_stays_hidden_and_who_never_showed_a_face_is_not() -> None:
    """V-03: up to two seconds beyond the last face while the body goes on, and before the first one."""
    with_face, without = seen([BODY], [FACE]), seen([BODY], [])
    track = line({0: with_face, **dict.fromkeys(range(1, 20), without)})
    hidden = [frame for frame in range(240) if covered_share(Box(*FACE[:4]), track.regions(frame)) > 0.99]
    assert hidden == list(range(hidden[-1] + 1))
    assert 60 <= hidden[-1] <= 75, "two seconds of chain, and what is held after it"
    assert not any(line(dict.fromkeys(range(20), without)).regions(frame) for frame in range(240))
    gone = line({0: with_face})
    assert not gone.regions(60), "without a body there is no head"


def test_a_policy_for_heads_needs_the_models_of_bodies_and_faces() -> None:
    """V-17: a head has no model of its own."""
    policy = Policy(name="heads", summary="s", detect=(RULE,))
    assert policy.roles == {Role.PERSON_VEHICLE, Role.FACE}
