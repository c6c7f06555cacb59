"""V-02, V-03: two detectors that err in different places are right together; the second is asked where it helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from opendrape.domain.policy import OpinionRule, Role
from opendrape.domain.things import Thing
from opendrape.errors import InferenceFailed
from opendrape_masker.detectors.detection import Detection, ModelFacts, Picture
from opendrape_masker.detectors.second_opinion import AskedOnce, SecondOpinion, least_score

RULE = OpinionRule(
    role=Role.FACE,
    long_side_pixels=80,
    doubt_score=0.3,
    sure_score=0.8,
    every_looks=4,
    agree_score=0.1,
    score_factor=2.5,
    alone_factor=0.75,
    least_pixels=10,
)
Hit = tuple[float, float, float, float, float]
PLACE = (20.0, 20.0, 60.0, 70.0)


@dataclass
class _Sees:
    """Sees the same shares of every picture; ``hits`` are pixels of a picture of 160 x 100."""

    name: str
    hits: tuple[Hit, ...]
    shown: list[tuple[int, ...]] = field(default_factory=list)
    role: Role = Role.FACE

    @property
    def model(self) -> ModelFacts:
        return ModelFacts(self.name, self.role, "0" * 64)

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        self.shown += [picture.shape for picture in pictures]
        return [
            [self._hit(hit, frame, picture.shape[1] / 160) for hit in self.hits]
            for frame, picture in zip(frames, pictures, strict=True)
        ]

    def _hit(self, hit: Hit, frame: int, scale: float) -> Detection:
        x0, y0, x1, y1, score = hit
        return Detection(frame, self.role, score, x0 * scale, y0 * scale, x1 * scale, y1 * scale, Thing.FACE)


def together(first: Sequence[Hit], second: Sequence[Hit], *, frame: int = 3) -> tuple[list[Detection], _Sees]:
    asked = _Sees("second", tuple(second))
    both = SecondOpinion(RULE, _Sees("first", tuple(first)), asked, asked_anyway=frozenset({8}))
    [found] = both.detect([np.zeros((100, 160, 3), np.uint8)], [frame])
    return found, asked


@pytest.mark.parametrize("score", [0.25, 0.85])
def test_the_second_is_not_asked_where_the_first_is_sure_or_sees_next_to_nothing(score: float) -> None:
    """V-02: a second network at every look would cost more than all the rest."""
    found, asked = together([(*PLACE, score)], [(*PLACE, 0.9)])
    assert [hit.score for hit in found] == [score]
    assert not asked.shown


def test_it_is_asked_about_a_doubtful_hit_on_a_picture_of_its_own_size() -> None:
    """V-02."""
    _, asked = together([(*PLACE, 0.5)], [])
    assert asked.shown == [(50, 80, 3)]


def test_it_is_asked_at_its_own_looks_whatever_the_first_one_says() -> None:
    """V-02: a face that the first network never sees starts a track all the same."""
    found, _ = together([], [(*PLACE, 0.3)], frame=8)
    assert [(hit.score, hit.frame) for hit in found] == [(0.75, 8)]
    assert together([], [(*PLACE, 0.3)], frame=9)[0] == []


def test_a_doubtful_hit_stands_with_its_word_and_counts_less_without() -> None:
    """V-03: folds of tissue are no faces; only one of two networks takes them for some."""
    assert together([(*PLACE, 0.7)], [(*PLACE, 0.12)])[0][0].score == 0.7
    assert together([(*PLACE, 0.7)], [(*PLACE, 0.09)])[0][0].score == pytest.approx(0.525)
    assert together([(*PLACE, 0.7)], [(100.0, 20.0, 140.0, 70.0, 0.9)])[0][1].score == pytest.approx(0.525)


def test_a_sure_hit_needs_nobody() -> None:
    """V-02: fail closed: a face that only one network sees, and that one surely, stays a face."""
    found, asked = together([(*PLACE, 0.85), (100.0, 20.0, 140.0, 70.0, 0.4)], [])
    assert asked.shown
    assert [hit.score for hit in found] == [0.85, pytest.approx(0.3)]


def test_what_is_too_small_for_the_second_one_is_not_doubted() -> None:
    """V-02: at half the size it cannot see a face of 18 pixels."""
    tiny = (20.0, 20.0, 38.0, 38.0)
    assert together([(*tiny, 0.6)], [])[0][0].score == 0.6


def test_where_both_see_a_thing_it_is_as_large_as_both_say() -> None:
    """V-03: each cuts off another part of a masked face."""
    [hit], _ = together([(*PLACE, 0.6)], [(16.0, 24.0, 58.0, 78.0, 0.5)])
    assert (hit.x0, hit.y0, hit.x1, hit.y1) == pytest.approx((16.0, 20.0, 60.0, 78.0))
    assert hit.score == 0.99


def test_two_people_side_by_side_stay_two() -> None:
    """V-03."""
    neighbour = (70.0, 20.0, 110.0, 70.0)
    found, _ = together([(*PLACE, 0.6), (*neighbour, 0.5)], [(*PLACE, 0.3), (*neighbour, 0.3)])
    assert [round(hit.x0) for hit in found] == [20, 70]


def test_it_answers_for_the_first_ones_role_and_weights() -> None:
    """V-17."""
    both = SecondOpinion(RULE, _Sees("first", ()), _Sees("second", ()))
    assert (both.role, both.model.name) == (Role.FACE, "first")
    assert both.detect([], []) == []
    assert (both.advice.model, both.advice.purpose, both.advice.long_side_pixels) == ("second", "opinion", (80,))


def test_the_second_one_reports_down_to_what_can_matter() -> None:
    """V-03: weak hits extend a track, and weaker ones of the shy network count as much."""
    assert least_score(RULE, 0.2) == pytest.approx(0.08)
    assert least_score(RULE, 0.5) == pytest.approx(0.1)


def rules_of_two_sizes(shared: AskedOnce) -> list[SecondOpinion]:
    """Two rules of one role at work, as a policy with two face sizes has them; the second asks less of a hit."""
    firsts = [_Sees("first", ((*PLACE, 0.5),)) for _ in range(2)]
    return [
        SecondOpinion(RULE, first, shared.at(floor), shown_pixels=160)
        for first, floor in zip(firsts, (0.1, 0.2), strict=True)
    ]


def test_two_rules_that_mean_the_same_picture_have_it_looked_at_once() -> None:
    """V-02: the answer is a function of the frame, in pixels of each rule's own picture, whoever asks first."""
    answers = []
    for turned in (False, True):
        asked = _Sees("second", ((*PLACE, 0.9), (100.0, 20.0, 140.0, 70.0, 0.15)))
        small, large = rules_of_two_sizes(AskedOnce(asked))
        shown = np.zeros((100, 160, 3), np.uint8)
        looks = [
            lambda own=small, shown=shown: own.detect_showing(shown, 3, lambda: shown),
            lambda own=large, shown=shown: own.detect_showing(np.zeros((200, 320, 3), np.uint8), 3, lambda: shown),
        ]
        found = [look() for look in (reversed(looks) if turned else looks)]
        answers.append(list(reversed(found)) if turned else found)
        assert asked.shown == [(50, 80, 3)]
    assert answers[0] == answers[1]
    of_small, of_large = answers[0]
    assert [len(of_small), len(of_large)] == [2, 1], "each has its own floor"
    assert (of_large[0].x1, of_large[0].y1) == (2 * of_small[0].x1, 2 * of_small[0].y1)


def test_another_frame_is_another_question_and_what_is_forgotten_is_asked_again() -> None:
    """V-02: memory does not grow with the video, and nothing depends on it."""
    asked = _Sees("second", ((*PLACE, 0.9),))
    small, _ = rules_of_two_sizes(AskedOnce(asked))
    shown = np.zeros((100, 160, 3), np.uint8)
    first = small.detect_showing(shown, 0, lambda: shown)
    for frame in range(1, 100):
        small.detect_showing(shown, frame, lambda: shown)
    assert len(asked.shown) == 100
    assert small.detect_showing(shown, 0, lambda: shown) == first
    assert len(asked.shown) == 101


def test_an_error_of_the_second_one_is_an_error_of_every_rule_that_asks() -> None:
    """V-16: never an opinion that nobody gave."""
    small, large = rules_of_two_sizes(AskedOnce(_Fails("second", ())))
    shown = np.zeros((100, 160, 3), np.uint8)
    for rule in (small, large):
        with pytest.raises(InferenceFailed):
            rule.detect_showing(shown, 3, lambda: shown)


class _Fails(_Sees):
    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        raise InferenceFailed
