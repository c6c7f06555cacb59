"""Which sightings are the same thing, and where it is in the frames between: linking both ways in a bounded window.

Every answer is a function of the sightings within a fixed reach of the frame, never of the history before it. So a
video cut into chunks, each examined with that reach as context, gets the same masks as the video in one piece.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from opendrape.domain.policy import DetectRule, Motion
from opendrape.domain.things import Thing
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.engine.boxes import Box, between, centre_shift, distance, hull, overlap
from opendrape_masker.engine.regions import Target
from opendrape_masker.engine.sightings import Seen, Sighting, may_be_one

_SPEED_GROWTH = 0.25  # of the path between two looks: motion is not linear
_LEAST_OVERLAP = 0.1
_LONGEST_STEP = 1.5  # centre distance per look, in sizes of the thing
_SIZE_RATIO = 2.2
_NEAR_BORDER = 2.0  # sizes of the thing: what vanished this near a border went out there, however fast
_LONGEST_DRIFT = 2.0  # sizes of the thing


@dataclass(frozen=True, slots=True)
class Reach:
    """The rule's times in ticks of the video's time base."""

    bridge: int
    hold: int
    recover: int
    gap: int
    drift: int

    @classmethod
    def of(cls, rule: DetectRule, timeline: Timeline) -> Reach:
        base = timeline.time_base
        bridge = max(rule.bridge_seconds, rule.max_gap_seconds)
        recovers = rule.weak_score < rule.strong_score
        return cls(
            bridge=int(bridge / base),
            hold=int(max(rule.hold_seconds, rule.max_gap_seconds) / base),
            recover=int(bridge / base) if recovers else 0,
            gap=int(rule.max_gap_seconds / base),
            drift=int(bridge / base) if rule.motion is Motion.MOVING else 0,
        )

    @property
    def ahead(self) -> int:
        """How far past a frame the looks must be known before the frame's masks are final."""
        if self.recover:
            return max(self.hold, self.bridge) + self.recover + self.bridge
        return max(self.bridge, self.hold + self.drift)  # what is held drifts with a speed that the next sighting tells

    @property
    def context(self) -> int:
        """How much before a chunk must be examined so that its masks equal those of the whole video."""
        return 2 * self.ahead + self.gap


@dataclass(frozen=True, slots=True)
class LookFacts:
    """What counted at one look."""

    detections: int
    beginnings: int
    things: Mapping[Thing | None, int] = field(default_factory=dict)
    """The beginnings, by class of thing."""


@dataclass(slots=True)
class _Motion:
    """A thing between two looks: where it starts, where it ends."""

    start: int
    end: int
    first: Box
    last: Box
    seen: int | None = None
    thing: Thing | None = None

    def at(self, tick: int, *, moving: bool) -> Box:
        if not moving:
            return hull(self.first, self.last)
        if self.seen is not None:
            return self._held_at(tick)
        share = (tick - self.start) / max(1, self.end - self.start)
        dx, dy = centre_shift(self.first, self.last)
        path = max(abs(dx), abs(dy)) * _SPEED_GROWTH * 4 * share * (1 - share)
        return between(self.first, self.last, share).grown(0.0, path)

    def _held_at(self, tick: int) -> Box:
        """Where it was seen it is where it was seen; after that (or before) it may be anywhere on its way."""
        if tick != self.seen:
            return hull(self.first, self.last)
        return self.first if self.seen == self.start else self.last


@dataclass
class TrackLine:
    """All sightings of one rule, in the order of looks, and the regions that follow from them."""

    rule: DetectRule
    timeline: Timeline
    looks: Sequence[int]
    picture_size: tuple[int, int] | None = None
    spared: tuple[FrameSpan, ...] = ()
    _by_look: dict[int, list[Sighting]] = field(default_factory=dict)
    _motions: dict[int, tuple[int, list[_Motion]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reach = Reach.of(self.rule, self.timeline)
        self.newest = -1

    def add(self, look: int, found: Sequence[Seen | tuple[Box, float]]) -> None:
        """Take in one look's detections; looks come in order. Detections under the weak score are ignored."""
        seen = [Seen(*hit) for hit in found]
        fresh = [Sighting(look, s.box, s.score, thing=s.thing) for s in seen if s.score >= self.rule.weak_score]
        self._by_look[look] = fresh
        self.newest = look
        for earlier in range(look - 1, -1, -1):
            if self._tick(look) - self._tick(earlier) > self.reach.bridge or earlier not in self._by_look:
                break  # also across a single frame shown longer than that: what is linked must be known in time
            self._link(self._by_look[earlier], fresh, steps=look - earlier)

    def final(self, tick: int) -> bool:
        """True when the masks of a frame at ``tick`` can no longer change."""
        done = self.newest == len(self.looks) - 1
        return done or (self.newest >= 0 and self._tick(self.newest) >= tick + self.reach.ahead)

    def regions(self, frame: int) -> list[Box]:
        """Where the things are in ``frame``, grown as the rule says; not yet clipped to the picture."""
        return [target.box for target in self.targets(frame)]

    def targets(self, frame: int) -> list[Target]:
        """The same with what they are: a class of things, or the rule's role where that says it all."""
        tick = self.timeline.ticks[frame]
        moving = self.rule.motion is Motion.MOVING
        return [
            Target(motion.at(tick, moving=moving).grown(self.rule.grow), str(motion.thing or self.rule.role))
            for motion in self._motions_at(frame)
        ]

    def needed(self, first: int, last: int) -> tuple[int, int]:
        """Frames ``[a, b)`` to decode so that the masks of ``[first, last)`` are those of the whole video."""
        earliest = self.timeline.ticks[first] - self.reach.context
        latest = self.timeline.ticks[last - 1] + self.reach.ahead
        before = max(0, bisect_right(self.looks, earliest, key=self.timeline.ticks.__getitem__) - 1)
        after = bisect_left(self.looks, latest, key=self.timeline.ticks.__getitem__)
        after = min(after, len(self.looks) - 1)
        return min(first, self.looks[before]), max(last, self.looks[after] + 1)

    def forget_before(self, frame: int) -> None:
        """Drop what no later frame can need."""
        horizon = self.timeline.ticks[frame] - self.reach.context - self.reach.hold
        for look in list(takewhile(lambda look: self._tick(look) < horizon, self._by_look)):
            for sighting in self._by_look.pop(look):
                if sighting.after is not None:
                    sighting.after.before = None
        for interval in list(takewhile(lambda interval: self._tick(interval) < horizon, self._motions)):
            del self._motions[interval]

    def facts_at(self, frame: int) -> LookFacts | None:
        """How many detections count at this frame and how many tracks begin at it; None when it is not a look."""
        look = bisect_left(self.looks, frame)
        if look >= len(self.looks) or self.looks[look] != frame:
            return None
        kept = [s for s in self._by_look.get(look, ()) if self.is_kept(s)]
        begun = Counter(s.thing for s in kept if s.before is None or not self.is_kept(s.before))
        return LookFacts(len(kept), begun.total(), begun)

    def is_kept(self, sighting: Sighting) -> bool:
        """Strong, or linked to a strong one within the recovery time."""
        if sighting.score >= self.rule.strong_score:
            return True
        return any(
            linked.score >= self.rule.strong_score
            for linked in self._chain(sighting)
            if abs(self._tick(linked.look) - self._tick(sighting.look)) <= self.reach.recover
        )

    def _chain(self, sighting: Sighting) -> Iterator[Sighting]:
        for direction in ("before", "after"):
            linked: Sighting | None = getattr(sighting, direction)
            while linked and abs(self._tick(linked.look) - self._tick(sighting.look)) <= self.reach.recover:
                yield linked
                linked = getattr(linked, direction)

    def _tick(self, look: int) -> int:
        return self.timeline.ticks[self.looks[look]]

    def _link(self, earlier: list[Sighting], later: list[Sighting], *, steps: int) -> None:
        pairs = [
            (_affinity(a, b, steps), i, j)
            for i, a in enumerate(earlier)
            if a.after is None
            for j, b in enumerate(later)
            if b.before is None and may_be_one(a.thing, b.thing)
        ]
        for affinity, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            a, b = earlier[i], later[j]
            if affinity > 0 and a.after is None and b.before is None:
                a.after, b.before = b, a

    def _motions_at(self, frame: int) -> list[_Motion]:
        if any(frame in span for span in self.spared):  # a person said so
            return []
        interval = bisect_right(self.looks, frame) - 1
        tick = self.timeline.ticks[frame]
        known_at, motions = self._motions.get(interval, (None, []))
        if known_at != self.newest:  # a later frame of the interval may be touched by looks that came since
            motions = list(self._gather(interval))
            self._motions[interval] = self.newest, motions
        return [motion for motion in motions if motion.start <= tick <= motion.end]

    def _gather(self, interval: int) -> Iterator[_Motion]:
        """Every motion that touches the frames from look ``interval`` up to the next look."""
        start = self._tick(interval)
        end = self._tick(interval + 1) if interval + 1 < len(self.looks) else self.timeline.end_tick
        ticks = self.timeline.ticks.__getitem__
        first = bisect_left(self.looks, start - self._span(), key=ticks)
        for look in range(first, bisect_right(self.looks, end + self._span(), key=ticks)):
            for sighting in self._by_look.get(look, ()):
                if self.is_kept(sighting):
                    yield from (m for m in self._motions_of(sighting) if m.start <= end and m.end >= start)

    def _span(self) -> int:
        return max(self.reach.bridge, self.reach.hold) + 2 * self.reach.gap

    def _motions_of(self, sighting: Sighting) -> Iterator[_Motion]:
        here = self._tick(sighting.look)
        after, before = sighting.after, sighting.before
        if after is not None and self.is_kept(after):
            yield _Motion(here, self._tick(after.look), sighting.box, after.box, thing=sighting.thing)
        else:
            yield self._held(sighting, forward=True)
        if before is None or not self.is_kept(before):
            yield self._held(sighting, forward=False)

    def _held(self, sighting: Sighting, *, forward: bool) -> _Motion:
        """Masked on beyond the last (or before the first) sighting, drifting on with the last known speed."""
        here = self._tick(sighting.look)
        neighbour = sighting.look + (1 if forward else -1)
        to_look = abs(self._tick(neighbour) - here) if 0 <= neighbour < len(self.looks) else self.reach.hold
        length = max(self.reach.hold, to_look - 1)  # the neighbouring look itself saw nothing
        drifted = hull(sighting.box, sighting.box.moved(*self._drift(sighting, length, forward=forward)))
        drifted = hull(drifted, self._way_out(sighting.box))
        if forward:
            return _Motion(here, here + length, sighting.box, drifted, seen=here, thing=sighting.thing)
        return _Motion(here - length, here, drifted, sighting.box, seen=here, thing=sighting.thing)

    def _way_out(self, box: Box) -> Box:
        """The box stretched to the borders by which the thing may have come or gone between two looks."""
        if self.picture_size is None or self.rule.motion is Motion.STATIC:
            return box
        width, height = self.picture_size
        reach = box.size * _NEAR_BORDER
        return Box(
            min(box.x0, 0.0) if box.x0 < reach else box.x0,
            min(box.y0, 0.0) if box.y0 < reach else box.y0,
            max(box.x1, float(width)) if width - box.x1 < reach else box.x1,
            max(box.y1, float(height)) if height - box.y1 < reach else box.y1,
        )

    def _drift(self, sighting: Sighting, length: int, *, forward: bool) -> tuple[float, float]:
        other = sighting.before if forward else sighting.after
        if other is None or self.rule.motion is Motion.STATIC:
            return 0.0, 0.0
        dx, dy = centre_shift(other.box, sighting.box)
        elapsed = max(1, abs(self._tick(sighting.look) - self._tick(other.look)))
        limit = sighting.box.size * _LONGEST_DRIFT
        scale = length / elapsed
        return _bounded(dx * scale, limit), _bounded(dy * scale, limit)


def _bounded(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


def _affinity(a: Sighting, b: Sighting, steps: int) -> float:
    """How likely two sightings ``steps`` looks apart are one thing; 0 = not."""
    ratio = max(a.box.size, b.box.size) / max(1.0, min(a.box.size, b.box.size))
    if ratio > _SIZE_RATIO:
        return 0.0
    common = overlap(a.box, b.box)
    nearness = 1.0 - distance(a.box, b.box) / (_LONGEST_STEP * (1 + 0.5 * (steps - 1)))
    if common < _LEAST_OVERLAP and nearness <= 0.0:
        return 0.0
    return common + max(0.0, nearness) + 0.01
