"""V-08: what a policy says of sound, and which seconds an interval means."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError

from opendrape.domain.output_rules import AudioRule
from opendrape.domain.sound import MutedInterval, silences
from opendrape.domain.timeline import Timeline
from opendrape.errors import PolicyInvalid

ONE_TO_TWO = MutedInterval(start=Fraction(1), end=Fraction(2))
# a frame every 40 ms, the first one shown 100 ms after time zero, whose tick is -20
TIMELINE = Timeline(Fraction(1, 1000), [80 + 40 * number for number in range(100)], (0,), 4080)


def test_sound_is_dropped_unless_somebody_says_otherwise() -> None:
    """V-08: the default; intervals given for one video do not bring dropped sound back."""
    assert AudioRule().mode == "drop"
    assert AudioRule().with_intervals((ONE_TO_TWO,)) == AudioRule()


def test_intervals_of_one_video_join_those_of_the_policy() -> None:
    """V-08: keep becomes mute, mute has more intervals."""
    assert AudioRule(mode="keep").with_intervals((ONE_TO_TWO,)) == AudioRule(mode="mute", intervals=(ONE_TO_TWO,))
    both = AudioRule(mode="mute", intervals=(ONE_TO_TWO,)).with_intervals((ONE_TO_TWO,))
    assert both.intervals == (ONE_TO_TWO, ONE_TO_TWO)


def test_muting_without_an_interval_is_an_error_before_any_work() -> None:
    """V-08: sound that nobody silenced must not pass as muted."""
    with pytest.raises(PolicyInvalid) as caught:
        AudioRule(mode="mute").check_complete()
    assert caught.value.reason == "mute_intervals_missing"
    AudioRule(mode="keep").check_complete()


def test_intervals_beside_another_mode_are_refused() -> None:
    """V-08: a policy that says two things says nothing."""
    with pytest.raises(ValidationError):
        AudioRule(mode="keep", intervals=(ONE_TO_TWO,))


def test_frames_become_seconds_of_the_output() -> None:
    """V-08: a frame is heard from its own time to the next frame's; the first from the very start."""
    asked = [
        MutedInterval(unit="frames", start=Fraction(10), end=Fraction(20)),
        MutedInterval(unit="frames", start=Fraction(0), end=Fraction(1)),
        MutedInterval(unit="frames", start=Fraction(90), end=Fraction(100)),
    ]
    found = silences(asked, TIMELINE, origin_tick=-20)
    assert found[0] == (0, Fraction(140, 1000))
    assert found[1] == (Fraction(500, 1000), Fraction(900, 1000))
    assert found[2][0] == Fraction(3700, 1000)
    assert found[2][1] > 10**6, "what follows the last frame belongs to it"


def test_intervals_that_touch_become_one() -> None:
    """V-08."""
    asked = [MutedInterval(start=Fraction(s), end=Fraction(e)) for s, e in ((5, 7), (1, 2), (2, 3), (6, 9))]
    assert silences(asked, TIMELINE, origin_tick=0) == ((1, 3), (5, 9))


@pytest.mark.parametrize(
    "wrong", [{"start": 2, "end": 2}, {"start": -1}, {"unit": "frames", "start": "1/2"}, {"start": 0, "who": "Jane"}]
)
def test_impossible_intervals_are_refused(wrong: dict[str, object]) -> None:
    """V-08."""
    with pytest.raises(ValidationError):
        MutedInterval.model_validate(wrong)
