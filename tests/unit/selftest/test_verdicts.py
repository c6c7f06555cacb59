"""V-02, V-03, V-15: the self-test counts events and frames, and says no when it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from opendrape.domain.mask_rule import ClassLook, Effect, MaskRule, Shape
from opendrape.domain.policy import Policy
from opendrape_masker.selftest.judging import Judge, masked_share
from opendrape_masker.selftest.running import solid
from opendrape_masker.selftest.verdicts import ClipVerdict, EventVerdict, SelfTest, Thresholds, by_class, tally
from opendrape_masker.synthetic.appearance import Appearance, Place
from opendrape_masker.synthetic.picture import Array
from opendrape_masker.synthetic.suite import SuiteTruth
from opendrape_masker.synthetic.truth import TrueBox

BOX = (20.0, 20.0, 60.0, 60.0)


def truth(visible: Sequence[float], tall: float = 40.0) -> SuiteTruth:
    """One face; its visible share per frame, 0: not there."""
    place = Place(40, 40, tall)
    one = Appearance("face-000", "face", "astronaut", "front", "still", 0, len(visible), place, place)
    box = TrueBox("face", "face-000", BOX, 1.0, (16, 16, 64, 64))
    frames = tuple((replace(box, visible=share),) if share else () for share in visible)
    return SuiteTruth(96, 96, Fraction(30), (one,), frames, ())


def picture(painted: float) -> Array:
    """Grey, with the upper share of the box painted black."""
    luma = np.full((96, 96), 120, np.uint8)
    luma[20 : 20 + round(40 * painted), 20:60] = 16
    return luma


def judged(
    visible: Sequence[float], painted: Sequence[float], gap: float = 0.0, tall: float = 40.0
) -> list[EventVerdict]:
    judge = Judge(truth(visible, tall), fill=16, gaps={"face": gap})
    for frame, share in enumerate(painted):
        judge.see(frame, picture(0.0), picture(share))
    return list(judge.verdicts())


def test_one_open_frame_loses_the_event() -> None:
    """V-02: 90 % of the box is covered, less is not."""
    (found,) = judged([1, 1, 1], [0.9, 1.0, 0.95])
    assert found.found
    (lost,) = judged([1, 1, 1], [1.0, 0.85, 1.0])
    assert not lost.found
    assert (lost.covered, lost.missed_frames) == (2, (1,))


def test_a_pause_makes_two_events_and_half_hidden_frames_do_not_count() -> None:
    """V-02: an event is one continuous appearance, from half inside the picture on."""
    events = judged([0.4, 0.6, 1, 0, 1], [0, 1, 1, 0, 0])
    assert [(event.name, event.frames, event.found) for event in events] == [
        ("face-000", 2, True),
        ("face-000.1", 1, False),
    ]


def test_what_the_policy_does_not_promise_is_counted_apart() -> None:
    """V-02: shorter than max_gap_seconds, or smaller than the smallest face; without a rule nothing is excused."""
    assert [event.promised for event in judged([1] * 5, [1] * 5, gap=0.2)] == [False]
    assert [event.promised for event in judged([1] * 6, [1] * 6, gap=0.2)] == [True]
    assert [event.promised for event in judged([1], [1])] == [True]
    assert [event.promised for event in judged([1], [1], tall=19.0)] == [False]


def test_pixels_that_were_black_before_prove_nothing() -> None:
    """A face before a black border is covered only when its own pixels are."""
    before, after = picture(0.0), picture(0.0)
    before[20:40, 20:60] = after[20:40, 20:60] = 16
    assert masked_share(before, after, BOX, fill=16) == 0.0
    after[40:60, 20:60] = 18
    assert masked_share(before, after, BOX, fill=16) == 1.0


def test_masks_away_from_the_insertions_are_told() -> None:
    """Whoever masks everything reaches any recall; the share beside it shows."""
    judge = Judge(truth([1]), fill=16, gaps={})
    judge.see(0, picture(0.0), np.full((96, 96), 16, np.uint8))
    assert judge.masked_elsewhere > 0.4
    quiet = Judge(truth([1]), fill=16, gaps={})
    quiet.see(0, picture(0.0), picture(1.0))
    assert quiet.masked_elsewhere == 0.0


def event(covered: int, *, promised: bool = True, size: str = "32-64") -> EventVerdict:
    return EventVerdict(
        name="e",
        kind="face",
        look="front",
        course="still",
        size=size,
        tall=40.0,
        start_frame=0,
        frames=10,
        covered=covered,
        promised=promised,
    )


def result(events: Sequence[EventVerdict], **facts: object) -> SelfTest:
    clip = ClipVerdict.model_validate(
        {
            "clip": "1",
            "seed": 1,
            "width": 96,
            "height": 96,
            "frames": 10,
            "events": tuple(events),
            "masked_elsewhere": 0.0,
        }
        | facts
    )
    return SelfTest(policy="p", policy_digest="0", thresholds=Thresholds(), clips=(clip,))


@pytest.mark.parametrize(
    "facts",
    [
        {"surviving_identities": ("471193",)},
        {"surviving_audio_streams": 1},
        {"residual_findings": 1},
        {"quarantined": "residual_found"},
    ],
)
def test_each_leak_fails_the_test_by_itself(facts: dict[str, object]) -> None:
    """V-08, V-09, V-15: perfect recall does not outweigh a name in the tags."""
    assert result([event(10)]).failures == ()
    assert len(result([event(10)], **facts).failures) == 1


def test_a_lost_event_fails_a_test_of_few_events_and_nothing_judged_never_passes() -> None:
    """V-15: the threshold is a share of events; no event is no proof."""
    assert len(result([event(9), *[event(10)] * 100]).failures) == 1
    assert result([event(9), *[event(10)] * 300]).failures == ()
    assert result([]).failures
    assert result([event(10, promised=False)]).failures


def test_classes_are_sorted_by_size_and_add_up() -> None:
    """The published table."""
    events = [event(10, size="128-320"), event(5, size="20-32"), event(10, size="20-32")]
    classes = by_class(events, "size")
    assert list(classes) == ["20-32", "128-320"]
    assert (classes["20-32"].events, classes["20-32"].events_found, classes["20-32"].frames_covered) == (2, 1, 15)
    assert tally(events).frame_recall == pytest.approx(25 / 30)


def test_measuring_replaces_effects_by_a_fill_that_can_be_seen() -> None:
    """V-07: shapes stay as the policy has them, whatever class."""
    rule = MaskRule(
        effect=Effect.BLUR, shape=Shape.ELLIPSE, classes={"face": ClassLook(effect=Effect.PIXELATE, shape=Shape.BOX)}
    )
    mask = solid(Policy(name="p", summary="s", mask=rule)).mask
    look = mask.look_of("face")
    assert (look.effect, look.shape, look.colour_rgb) == (Effect.SOLID, Shape.BOX, (0, 0, 0))
    assert mask.look_of("head").shape is Shape.ELLIPSE


def test_what_comes_where_all_is_masked_anyway_proves_nothing() -> None:
    """V-15: a false find would hide anything; a miss counts all the same."""
    visible, masked = [0.0] * 60 + [1.0] * 10 + [0.0] * 60, [0.0] * 130
    (honest,) = judged(visible, [*masked[:60], *[1.0] * 10, *masked[:60]])
    assert (honest.lucky, honest.counts) == (False, True)
    (lucky,) = judged(visible, [1.0] * 130)
    assert (lucky.lucky, lucky.found, lucky.counts) == (True, True, False)
    (missed,) = judged(visible, [*[1.0] * 65, 0.0, *[1.0] * 64])
    assert (missed.lucky, missed.found, missed.counts) == (True, False, True)
