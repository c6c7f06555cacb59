"""V-02: the report's timeline of what was masked when."""

from __future__ import annotations

from fractions import Fraction

import pytest

from opendrape.domain.regions import FoundInterval
from opendrape.domain.timeline import Timeline
from opendrape_masker.engine import intervals
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.intervals import IntervalTally, bounded, timed
from opendrape_masker.engine.regions import PixelRect, Target


def region(label: str) -> PixelRect:
    return PixelRect(0, 0, 8, 8, label)


def interval(role: str, start: int, end: int, most: int = 1) -> FoundInterval:
    return FoundInterval(role=role, start_frame=start, end_frame=end, most_at_once=most)


def test_each_role_has_its_own_intervals_with_the_most_regions_at_once() -> None:
    """V-02: a pause of one frame is a pause."""
    tally = IntervalTally()
    shown = {10: ["face"], 11: ["face", "face", "text"], 12: ["text"], 13: ["face", "text"]}
    for frame in range(9, 15):
        tally.note(frame, [region(label) for label in shown.get(frame, ())])
    assert tally.intervals == (interval("face", 10, 12, 2), interval("face", 13, 14), interval("text", 11, 14))
    assert not tally.joined


def test_what_lies_under_another_mask_is_told_too_but_not_counted_twice() -> None:
    """V-02: text on a masked face is hidden with it; the timeline says so."""
    tally = IntervalTally()
    hidden = [Target(Box(0, 0, 8, 8), label) for label in ("face", "face", "text")]
    tally.note(0, [region("face")], hidden)
    tally.note(1, [], hidden)  # all of it outside the picture: nothing is painted
    assert tally.intervals == (interval("face", 0, 1), interval("text", 0, 1))


def test_intervals_of_neighbouring_chunks_become_one() -> None:
    """V-02: a seam between chunks is no pause; one frame between them is."""
    parts = [interval("face", 0, 50), interval("text", 60, 99), interval("face", 50, 80, 3), interval("face", 81, 90)]
    assert bounded(parts) == (
        (interval("face", 0, 80, 3), interval("face", 81, 90), interval("text", 60, 99)),
        False,
    )


def test_a_flickering_video_keeps_the_list_short_and_leaves_no_masked_frame_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """V-02: memory and receipt are bounded; joining covers more frames, never fewer, and is told."""
    monkeypatch.setattr(intervals, "MOST_INTERVALS", 20)
    monkeypatch.setattr(intervals, "_ROOM", 40)
    tally = IntervalTally()
    for frame in range(1000):
        tally.note(frame, [region("face")] if frame % 2 else [])
        assert len(tally.intervals) <= 42
    kept, _ = bounded(tally.intervals)
    assert tally.joined
    assert len(kept) <= 20
    covered = {frame for one in kept for frame in range(one.start_frame, one.end_frame)}
    assert set(range(1, 1000, 2)) <= covered


def test_intervals_say_when_they_are_shown_also_at_a_variable_rate() -> None:
    """V-10: seconds come from the frames' own times; the end is that of the last masked frame."""
    timeline = Timeline(Fraction(1, 10), [5, 6, 9, 14], (0,), 20)
    whole = timed([interval("face", 1, 3), interval("text", 2, 4)], timeline)
    assert [(one.start_seconds, one.end_seconds) for one in whole] == [(0.1, 0.9), (0.4, 1.5)]
    (joined,), _ = bounded(timed([interval("face", 0, 2), interval("face", 2, 4)], timeline))
    assert (joined.start_seconds, joined.end_seconds) == (0.0, 1.5)
