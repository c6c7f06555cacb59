"""V-01, V-03: which rules look at a video of a size, and which hits one rule leaves to another."""

from __future__ import annotations

from fractions import Fraction

from opendrape.domain.policy import DetectRule, Policy, Role
from opendrape.domain.things import Thing
from opendrape.domain.timeline import Timeline
from opendrape_masker.detectors import Detection
from opendrape_masker.engine.looking import rules_for, watch_for
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.frames import facts, picture

LINE = Timeline(Fraction(1, 30), tuple(range(30)), (0,), 30)


def rule(**changes: object) -> DetectRule:
    told: dict[str, object] = {
        "role": Role.FACE,
        "max_gap_seconds": Fraction(1, 5),
        "long_side_pixels": (80,),
        "strong_score": 0.5,
        "weak_score": 0.2,
    }
    return DetectRule.model_validate(told | changes)


class _Faces(ScriptedDetector):
    """Faces of 10 and of 30 pixels in the examined picture."""

    def _see(self, picture, frame):  # type: ignore[no-untyped-def]
        return [Detection(frame, Role.FACE, 0.9, 5.0, 5.0, 5.0 + side, 5.0 + side, Thing.FACE) for side in (10.0, 30.0)]


def test_a_rule_for_small_things_leaves_large_ones_to_another_rule() -> None:
    """V-03: measured in the examined picture, which is half as large as the video here."""
    for limit, sizes in ((0, [20, 60]), (20, [20]), (30, [20, 60])):
        eye = watch_for(rule(largest_pixels=limit), _Faces({}, (160, 96)), facts(), LINE).eye
        assert [round(seen.box.size) for seen in eye.look(picture(), 0)] == sizes


def test_a_rule_may_be_for_large_or_for_small_videos_alone() -> None:
    """V-01: by the longest side, upright videos too."""
    always, large, small = rules = [rule(), rule(from_pixels=1600), rule(below_pixels=1600)]
    assert rules_for(1280, 720, rules) == [always, small]
    assert rules_for(1600, 900, rules) == [always, large]
    assert rules_for(1080, 1920, rules) == [always, large]


def test_a_rule_that_sets_no_limit_says_nothing_about_it() -> None:
    """V-01: the digest of a policy without limits is what it was before there were any."""
    plain, limited = (Policy(name="x", summary="", detect=(one,)) for one in (rule(), rule(largest_pixels=9)))
    assert {"largest_pixels", "from_pixels", "below_pixels", "repeated_score"}.isdisjoint(
        plain.model_dump()["detect"][0]
    )
    assert plain.digest != limited.digest
    assert Policy.model_validate(limited.model_dump(mode="json")) == limited
