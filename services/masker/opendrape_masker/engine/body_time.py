"""When the endoscope is, or may be, out of the body: what the looks said, told as intervals (V-05).

The intervals are read off the same lines that make the masks, so what is reported is what is masked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from opendrape.domain.policy import DetectRule, Role
from opendrape.domain.scene_facts import BodyInterval, ConfirmedInterval
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.detectors import Detection, Detector, ModelFacts, Picture
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.sightings import Seen

Certainty = Literal["certain", "uncertain", "confirmed"]


@dataclass
class RememberingDetector:
    """A ``Detector`` that passes on what another one sees and remembers the best score per frame."""

    inner: Detector
    scores: dict[int, float] = field(default_factory=dict)

    @property
    def role(self) -> Role:
        """What it finds."""
        return self.inner.role

    @property
    def model(self) -> ModelFacts:
        """Which weights, or which heuristic, it uses."""
        return self.inner.model

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        found = self.inner.detect(pictures, frames)
        for frame, hits in zip(frames, found, strict=True):
            self.scores[frame] = max((hit.score for hit in hits), default=0.0)
        return found


@dataclass(frozen=True, slots=True)
class _State:
    """What is said of one frame that is, or may be, out of the body."""

    certainty: Certainty
    masked: bool
    in_doubt: bool


@dataclass(frozen=True)
class BodyTime:
    """What is needed to tell the intervals of one chunk."""

    rule: DetectRule
    certain_score: float
    timeline: Timeline
    span: FrameSpan
    confirmed: tuple[ConfirmedInterval, ...] = ()

    def intervals(self, scores: Mapping[int, float]) -> tuple[BodyInterval, ...]:
        """Runs of frames with the same state within the span; ``scores`` by examined frame, 0 for nothing seen."""
        line = self._line(scores)
        states = ((frame, self._state(frame, line, scores)) for frame in self.span)
        runs = (list(run) for _, run in groupby(states, key=lambda item: item[1]))
        return tuple(self._told(run[0][0], run[-1][0] + 1, state) for run in runs if (state := run[0][1]) is not None)

    def _line(self, scores: Mapping[int, float]) -> TrackLine:
        line = TrackLine(self.rule, self.timeline, self.timeline.looks(self.rule.max_gap_seconds))
        for look, frame in enumerate(line.looks):
            if frame in scores:
                line.add(look, [Seen(Box(0, 0, 1, 1), scores[frame])] if scores[frame] else [])
        return line

    def _state(self, frame: int, line: TrackLine, scores: Mapping[int, float]) -> _State | None:
        """What is to be said of the frame; None inside the body.

        The way from a certain look to one inside the body is uncertain, and not in doubt: both looks could tell.
        """
        confirmed = where_confirmed(self.confirmed, frame)
        if confirmed is not None:
            return _State("confirmed", masked=True, in_doubt=False) if confirmed == "out_of_body" else None
        nearest = [scores.get(look, 0.0) for look in _neighbours(line.looks, frame)]
        masked = bool(line.targets(frame))
        if masked and min(nearest) >= self.certain_score:
            return _State("certain", masked=True, in_doubt=False)
        if masked or max(nearest) >= self.rule.weak_score:
            undecided = any(self.rule.weak_score <= score < self.certain_score for score in nearest)
            return _State("uncertain", masked=masked, in_doubt=undecided or not masked)
        return None

    def _told(self, start: int, end: int, state: _State) -> BodyInterval:
        ticks, base = self.timeline.ticks, self.timeline.time_base
        end_tick = ticks[end] if end < len(ticks) else self.timeline.end_tick
        return BodyInterval(
            start_frame=start,
            end_frame=end,
            start_seconds=str((ticks[start] - ticks[0]) * base),
            end_seconds=str((end_tick - ticks[0]) * base),
            certainty=state.certainty,
            masked=state.masked,
            in_doubt=state.in_doubt,
        )


def where_confirmed(confirmed: Sequence[ConfirmedInterval], frame: int) -> Literal["in_body", "out_of_body"] | None:
    """What a person said of the frame; out of the body where two sayings differ."""
    said = {one.where for one in confirmed if one.start_frame <= frame < one.end_frame}
    if "out_of_body" in said:
        return "out_of_body"
    return "in_body" if said else None


def spared_spans(confirmed: Sequence[ConfirmedInterval]) -> tuple[FrameSpan, ...]:
    """Frames that no out-of-body detector may black: a person saw that they are inside the body."""
    return tuple(FrameSpan(one.start_frame, one.end_frame) for one in confirmed if one.where == "in_body")


def joined(parts: Sequence[BodyInterval]) -> Iterator[BodyInterval]:
    """Intervals of chunk after chunk, those that were cut at a seam put together again."""
    pending: BodyInterval | None = None
    for part in parts:
        if pending is not None and _kind(pending) == _kind(part) and pending.end_frame == part.start_frame:
            pending = pending.model_copy(update={"end_frame": part.end_frame, "end_seconds": part.end_seconds})
            continue
        if pending is not None:
            yield pending
        pending = part
    if pending is not None:
        yield pending


def _kind(one: BodyInterval) -> _State:
    return _State(one.certainty, masked=one.masked, in_doubt=one.in_doubt)


def _neighbours(looks: Sequence[int], frame: int) -> tuple[int, int]:
    """The examined frames at or before, and at or after, ``frame``."""
    before = looks[max(0, bisect_right(looks, frame) - 1)]
    after = looks[min(len(looks) - 1, bisect_left(looks, frame))]
    return before, after
