"""I-06, V-02, V-03: masks and counts are the same wherever a video is cut, at constant and at variable frame rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.regions import FrameAccount
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.looking import Tally, watch_for
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.frames import facts

Seen = dict[int, list[tuple[Box, float]]]
BASE = Fraction(1, 30)
NOBODY = ScriptedDetector({}, size=(160, 96))

timelines = st.lists(st.sampled_from([1, 1, 1, 2, 3, 5, 9, 40]), min_size=2, max_size=90).map(
    lambda gaps: Timeline(BASE, tuple(accumulate(gaps)), (0,), sum(gaps) + 1)
)
seconds = st.sampled_from(
    [Fraction(1, 10), Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(1), Fraction(8, 5)]
)


def rule(
    gap: Fraction, bridge: Fraction, hold: Fraction, weak: float = 0.5, motion: Motion = Motion.MOVING
) -> DetectRule:
    """A rule that does not grow its boxes."""
    return DetectRule(
        role=Role.FACE,
        max_gap_seconds=gap,
        long_side_pixels=(160,),
        strong_score=0.5,
        weak_score=weak,
        grow=0.0,
        bridge_seconds=bridge,
        hold_seconds=hold,
        motion=motion,
    )


weak, motions = st.sampled_from([0.2, 0.5]), st.sampled_from(list(Motion))
rules = st.builds(
    rule,
    seconds,
    seconds,
    seconds,
    weak,
    motions,
)
boxes = st.builds(
    lambda x, size, score: (Box(x, 10, x + size, 10 + size), score),
    st.integers(0, 200),
    st.integers(20, 60),
    st.sampled_from([0.25, 0.35, 0.6, 0.9]),
)


@dataclass(frozen=True)
class Case:
    """A timeline, a rule, what is seen at its looks, and a span of it."""

    timeline: Timeline
    rule: DetectRule
    seen: Seen
    span: FrameSpan

    @property
    def looks(self) -> Sequence[int]:
        return self.timeline.looks(self.rule.max_gap_seconds)

    @property
    def media(self) -> MediaInfo:
        return facts(time_base=(1, 30))

    def line(self, first: int = 0, last: int | None = None) -> TrackLine:
        """All looks within ``[first, last)``, taken in at once."""
        line = TrackLine(self.rule, self.timeline, self.looks)
        for number, frame in enumerate(self.looks):
            if first <= frame < (len(self.timeline) if last is None else last):
                line.add(number, self.seen.get(frame, []))
        return line


@st.composite
def cases(draw: st.DrawFn) -> Case:
    timeline, made = draw(timelines), draw(rules)
    looks = timeline.looks(made.max_gap_seconds)
    seen = {look: draw(st.lists(boxes, max_size=2)) for look in looks if draw(st.booleans())}
    start = draw(st.integers(0, len(timeline) - 1))
    return Case(timeline, made, seen, FrameSpan(start, draw(st.integers(start + 1, len(timeline)))))


@st.composite
def journeys(draw: st.DrawFn) -> Case:
    """One thing on its way through a long video, often weak, sometimes gone, jumping now and then; a short span."""
    steady = Timeline(BASE, tuple(range(160)), (0,), 160)
    uneven = Timeline(BASE, tuple(accumulate([1, 1, 2, 1, 4] * 30)), (0,), 300)
    paused = Timeline(BASE, tuple(accumulate([1, 2, 1, 1, 1, 3, 40] * 12)), (0,), 600)
    timeline = draw(st.sampled_from([steady, uneven, paused]))
    made = draw(
        st.builds(rule, *[st.sampled_from([Fraction(1, 10), Fraction(1, 5), Fraction(2, 5)])] * 3, weak, motions)
    )
    looks = timeline.looks(made.max_gap_seconds)
    noise = draw(st.randoms(use_true_random=False))
    jumps = noise.choice([0, 25, 45])
    seen: Seen = {}
    for number, look in enumerate(looks):
        if noise.random() < 0.6:
            x = 3 * number + noise.choice([0, 0, jumps])
            seen[look] = [(Box(x, 10, x + 30, 40), noise.choice([0.25, 0.25, 0.25, 0.9]))]
    start = draw(st.integers(0, len(timeline) - 1))
    return Case(timeline, made, seen, FrameSpan(start, min(len(timeline), start + draw(st.integers(1, 8)))))


def regions(line: TrackLine, frame: int) -> list[tuple[float, float, float, float]]:
    return sorted(box.corners for box in line.regions(frame))


def grown_step_by_step(case: Case) -> dict[int, list[tuple[float, float, float, float]]]:
    """As the renderer does it: looks come one by one, a frame is released as soon as its masks are final."""
    line, released, frame = TrackLine(case.rule, case.timeline, case.looks), {}, case.span.start
    first, last = line.needed(case.span.start, case.span.end)
    for number, look in enumerate(case.looks):
        if first <= look < last:
            line.add(number, case.seen.get(look, []))
        while frame < case.span.end and line.final(case.timeline.ticks[frame]):
            released[frame] = regions(line, frame)
            line.forget_before(frame)
            frame += 1
    return released


UNEVEN = Timeline(BASE, (1, 2, 3, 4, 7, 8), (0,), 9)
SEEN_LATE = Case(
    UNEVEN,
    rule(Fraction(1, 5), Fraction(1, 10), Fraction(1, 10), motion=Motion.STATIC),
    {5: [(Box(0, 10, 20, 30), 0.6)]},
    FrameSpan(0, 2),
)
SEEN_MOVING = Case(
    UNEVEN,
    rule(Fraction(1, 10), Fraction(1, 5), Fraction(1, 10)),
    {3: [(Box(0, 10, 20, 30), 0.6)], 5: [(Box(0, 10, 21, 31), 0.6)]},
    FrameSpan(0, 1),
)
SEEN_BEFORE_A_PAUSE = Case(
    Timeline(BASE, (1, 2, 42, 43), (0,), 44),
    rule(Fraction(1, 10), Fraction(1, 10), Fraction(1, 10), weak=0.2),
    {1: [(Box(0, 10, 21, 31), 0.25)], 2: [(Box(0, 10, 20, 30), 0.6)]},
    FrameSpan(0, 4),
)


@settings(max_examples=300, deadline=None)
@example(SEEN_LATE)
@example(SEEN_BEFORE_A_PAUSE)
@example(SEEN_MOVING)
@given(cases() | journeys())
def test_a_span_released_step_by_step_has_the_masks_of_the_whole_video(case: Case) -> None:
    """I-06, V-03: every frame is released, with what would be known of it at the end."""
    whole = case.line()
    assert grown_step_by_step(case) == {frame: regions(whole, frame) for frame in case.span}


@settings(max_examples=100, deadline=None)
@given(cases())
def test_every_sighting_that_counts_is_masked_where_it_was_seen(case: Case) -> None:
    """V-02: nothing that a detector saw strongly is forgotten."""
    whole = case.line()
    for frame, found in case.seen.items():
        for box, score in found:
            shown = whole.regions(frame)
            hidden = any(b.x0 <= box.x0 and b.y0 <= box.y0 and b.x1 >= box.x1 and b.y1 >= box.y1 for b in shown)
            assert hidden or score < case.rule.strong_score


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_three_counts_add_up_to_the_frames_of_every_span(case: Case) -> None:
    """V-02: each frame is examined, inside a track or bracketed, and in one count only."""
    watch = watch_for(case.rule, NOBODY, case.media, case.timeline)
    watch.line = case.line(*watch.line.needed(case.span.start, case.span.end))
    tally = Tally()
    for frame in case.span:
        tally.count(frame, [(watch, bool(watch.line.regions(frame)))])
    account = tally.accounts[str(Role.FACE)]
    assert account.examined + account.inside_track + account.bracketed == len(case.span)
    assert account.examined == sum(1 for frame in case.looks if frame in case.span)
    assert account.inside_track == sum(1 for f in case.span if f not in case.looks and watch.line.regions(f))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_every_frame_lies_between_two_looks_no_further_apart_than_the_rule_allows(case: Case) -> None:
    """V-02: the gap wins; only a frame that is shown longer than the gap stands alone between looks."""
    looks, ticks = case.looks, case.timeline.ticks
    assert looks[0] == 0
    assert looks[-1] == len(ticks) - 1
    for earlier, later in pairwise(looks):
        near = (ticks[later] - ticks[earlier]) * BASE <= case.rule.max_gap_seconds
        assert near or later == earlier + 1


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 40))
def test_counts_of_chunks_add_up_to_those_of_the_whole_video(case: Case, cut: int) -> None:
    """I-06, V-02: a thing that crosses a cut is one appearance, in one chunk's report."""
    cut = min(cut, len(case.timeline) - 1)
    spans = [FrameSpan(0, cut), FrameSpan(cut, len(case.timeline))]
    parts = [_tally(case, span) for span in spans]
    whole = _tally(case, FrameSpan(0, len(case.timeline)))
    total = FrameAccount()
    for part in parts:
        total = total.plus(part.accounts["face"])
    assert total == whole.accounts["face"]
    assert sum(part.detections["face"] for part in parts) == whole.detections["face"]
    assert sum(part.tracks["face"] for part in parts) == whole.tracks["face"]


def _tally(case: Case, span: FrameSpan) -> Tally:
    watch = watch_for(case.rule, NOBODY, case.media, case.timeline)
    watch.line = case.line(*watch.line.needed(span.start, span.end))
    tally = Tally()
    for frame in span:
        tally.count(frame, [(watch, bool(watch.line.regions(frame)))])
    return tally
