"""V-02, I-06: exact time, looks that bracket every frame, chunks that start at key frames."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.domain.timeline import FrameSpan, Timeline

gaps = st.lists(st.integers(1, 40), min_size=1, max_size=200)


def variable(distances: list[int], keys: tuple[int, ...] = (0,)) -> Timeline:
    """A timeline in milliseconds with these distances between frames."""
    ticks = [7]
    for distance in distances:
        ticks.append(ticks[-1] + distance * 10)
    return Timeline(Fraction(1, 1000), tuple(ticks), keys, ticks[-1] + 10)


@given(gaps, st.sampled_from([Fraction(1, 5), Fraction(1, 10), Fraction(1), Fraction(1, 1000)]))
def test_every_frame_lies_between_two_looks_at_most_the_gap_apart(distances: list[int], gap: Fraction) -> None:
    """V-02: where gap and speed disagree, the gap wins; frames further apart than the gap are all looks."""
    timeline = variable(distances)
    looks = timeline.looks(gap)
    assert looks[0] == 0
    assert looks[-1] == len(timeline) - 1 or len(timeline) == 1
    for a, b in pairwise(looks):
        assert timeline.seconds(b) - timeline.seconds(a) <= gap or b == a + 1


@given(gaps, st.data())
def test_chunks_cover_every_frame_once_and_start_at_key_frames(distances: list[int], data: st.DataObject) -> None:
    """I-06: no frame is lost or doubled at a seam."""
    frames = len(distances) + 1
    keys = sorted({0, *data.draw(st.lists(st.integers(0, frames - 1), max_size=12))})
    timeline = variable(distances, tuple(keys))
    chunks = timeline.chunks(Fraction(1, 2))
    assert [frame for chunk in chunks for frame in chunk] == list(range(frames))
    assert all(chunk.start in keys for chunk in chunks)


@given(gaps)
def test_a_stored_timeline_comes_back_exactly(distances: list[int]) -> None:
    """I-05: every tick survives storage."""
    timeline = variable(distances, (0, len(distances)))
    back = Timeline.from_bytes(timeline.to_bytes())
    assert list(back.ticks) == list(timeline.ticks)
    assert (back.time_base, back.key_frames, back.end_tick) == (
        timeline.time_base,
        timeline.key_frames,
        timeline.end_tick,
    )


def test_rubbish_is_not_a_timeline() -> None:
    """Bad input gets an error, not a wrong time."""
    with pytest.raises(ValueError, match="not a timeline"):
        Timeline.from_bytes(b"something else")
    with pytest.raises(ValueError, match="strictly"):
        Timeline(Fraction(1, 30), (0, 1, 1), (0,), 3)
    with pytest.raises(ValueError, match="key frame"):
        Timeline(Fraction(1, 30), (0, 1), (1,), 3)
    with pytest.raises(ValueError, match="span"):
        FrameSpan(3, 2)


def test_constant_and_variable_rates_are_told_apart() -> None:
    """I-05: rounding of a constant rate to ticks is not a variable rate."""
    assert not Timeline(Fraction(1, 1000), (0, 33, 67, 100), (0,), 133).is_variable
    assert variable([4, 4, 9]).is_variable


def test_context_around_a_span_stays_inside_the_video() -> None:
    """Frames [start, end) widened by seconds."""
    timeline = Timeline(Fraction(1, 10), tuple(range(100)), (0, 50), 100)
    assert timeline.around(FrameSpan(50, 60), Fraction(1)) == FrameSpan(40, 70)
    assert timeline.around(FrameSpan(0, 100), Fraction(9)) == FrameSpan(0, 100)
    assert timeline.key_frame_at_or_before(49) == 0
    assert timeline.average_rate == 10
