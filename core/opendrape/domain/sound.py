"""What may be asked of a video's sound, and what was done to it, as plain facts."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opendrape.domain.exact import Seconds
from opendrape.domain.timeline import Timeline

Silence = tuple[Fraction, Fraction]
"""``[start, end)`` in seconds after the start of the output."""

_FOR_EVER = Fraction(10**9)


class MutedInterval(BaseModel):
    """An interval ``[start, end)`` whose sound is silenced; ``end`` None: to the end.

    In seconds after the start of the video as a player counts them, or in frames (0-based, presentation order).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["seconds", "frames"] = "seconds"
    start: Seconds = Field(ge=0)
    end: Seconds | None = None

    @model_validator(mode="after")
    def _in_order(self) -> MutedInterval:
        if self.end is not None and self.end <= self.start:
            raise ValueError("a muted interval ends after it starts")
        bounds = [bound for bound in (self.start, self.end) if bound is not None]
        if self.unit == "frames" and any(bound.denominator != 1 for bound in bounds):
            raise ValueError("frames are whole numbers")
        return self


def silences(intervals: Iterable[MutedInterval], timeline: Timeline, *, origin_tick: int) -> tuple[Silence, ...]:
    """``intervals`` in seconds of the output, sorted and merged. A frame is heard until the next one."""
    bounds = sorted((_second(i, i.start, timeline, origin_tick), _end(i, timeline, origin_tick)) for i in intervals)
    merged: list[Silence] = []
    for start, end in bounds:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def _end(interval: MutedInterval, timeline: Timeline, origin_tick: int) -> Fraction:
    return _FOR_EVER if interval.end is None else _second(interval, interval.end, timeline, origin_tick)


def _second(interval: MutedInterval, bound: Fraction, timeline: Timeline, origin_tick: int) -> Fraction:
    if interval.unit == "seconds":
        return bound
    frame = int(bound)
    if frame == 0:
        return Fraction(0)  # sound that starts before the first picture belongs to it
    if frame >= len(timeline):
        return _FOR_EVER
    return (timeline.ticks[frame] - origin_tick) * timeline.time_base


class SoundTrackFacts(BaseModel):
    """What became of one stream of sound. ``how``: copied bit for bit, or encoded anew and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    how: Literal["copied", "encoded"]
    why: str = Field(description="asked, muted, codec_unfit or text_found")
    source_codec: str
    codec: str
    rate: int = Field(description="samples per second")
    channels: int
    silent_intervals: int = 0
    checked_packets: int = 0


class SoundFacts(BaseModel):
    """What became of the sound of a video (V-08). ``dropped`` counts the streams that are not in the output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["drop", "keep", "mute"] = "drop"
    dropped: int = 0
    tracks: tuple[SoundTrackFacts, ...] = ()
