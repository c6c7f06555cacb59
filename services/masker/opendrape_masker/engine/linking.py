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
from math import hypot
from typing import Literal

import numpy as np

from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.things import Thing
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.engine.boxes import Box, centre_shift
from opendrape_masker.engine.courses import courses
from opendrape_masker.engine.likeness import affinities, is_far, leaps, plainly_moves
from opendrape_masker.engine.passages import Passage
from opendrape_masker.engine.reach import Reach
from opendrape_masker.engine.regions import Target
from opendrape_masker.engine.sightings import Seen, Sighting, may_be_one

_REPEATS = 3  # looks
_NEAR_BORDER = 2.0  # sizes of the thing: what vanished this near a border went out there, however fast
_AT_BORDER = 0.3  # sizes of the thing: what is seen this near a border is cut off by it, and reaches up to it
_LONGEST_DRIFT = 2.0  # sizes of the thing, or up to the look that would have seen it


@dataclass(frozen=True, slots=True)
class LookFacts:
    """What counted at one look."""

    detections: int
    beginnings: int
    things: Mapping[Thing | None, int] = field(default_factory=dict)
    """The beginnings, by class of thing."""


@dataclass
class TrackLine:
    """All sightings of one rule, in the order of looks, and the regions that follow from them."""

    rule: DetectRule
    timeline: Timeline
    looks: Sequence[int]
    picture_size: tuple[int, int] | None = None
    spared: tuple[FrameSpan, ...] = ()
    _by_look: dict[int, list[Sighting]] = field(default_factory=dict)
    _passages: dict[int, tuple[int, list[Passage]]] = field(default_factory=dict)
    _kept: dict[Sighting, bool] = field(default_factory=dict)  # as far as the looks up to the newest tell
    _moves: dict[Sighting, list[Passage]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reach = Reach.of(self.rule, self.timeline)
        self.newest = -1
        # measured on faces; a person is so large that any two in a picture would be a leap apart
        self._hurries = self.rule.motion is Motion.MOVING and self.rule.role is Role.FACE

    def add(self, look: int, found: Sequence[Seen | tuple[Box, float]]) -> None:
        """Take in one look's detections; looks come in order. Detections under the weak score are ignored."""
        seen = [Seen(*hit) for hit in found]
        counted = [s for s in seen if s.score >= self.rule.weak_score]
        fresh = [Sighting(look, s.box, s.score, thing=s.thing, paces=s.paces) for s in counted]
        self._by_look[look] = fresh
        self.newest = look
        self._kept.clear()
        self._moves.clear()
        for earlier in range(look - 1, -1, -1):
            if self._tick(look) - self._tick(earlier) > self.reach.bridge or earlier not in self._by_look:
                break  # also across a single frame shown longer than that: what is linked must be known in time
            self._link(self._by_look[earlier], fresh, steps=look - earlier)
        if self._hurries:
            self._follow(look)

    def _follow(self, look: int) -> None:
        """Link what hurries on a straight course through the newest looks."""
        first, second, third = (
            self._by_look.get(n, []) if self._tick(look) - self._tick(max(n, 0)) <= self.reach.bridge else []
            for n in (look - 2, look - 1, look)
        )
        for a, b, c in courses(first, second, third, self._tick):
            a.after, b.before, b.after, c.before = b, a, c, b

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
            Target(passage.at(tick, moving=moving).grown(self.rule.grow), str(passage.thing or self.rule.role))
            for passage in self._passages_at(frame)
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
        for interval in list(takewhile(lambda interval: self._tick(interval) < horizon, self._passages)):
            del self._passages[interval]

    def facts_at(self, frame: int) -> LookFacts | None:
        """How many detections count at this frame and how many tracks begin at it; None when it is not a look."""
        look = bisect_left(self.looks, frame)
        if look >= len(self.looks) or self.looks[look] != frame:
            return None
        kept = [s for s in self._by_look.get(look, ()) if self.is_kept(s)]
        begun = Counter(s.thing for s in kept if s.before is None or not self.is_kept(s.before))
        return LookFacts(len(kept), begun.total(), begun)

    def is_strong(self, look: int) -> bool:
        """True when something was seen at this look that counts by itself."""
        return any(sighting.score >= self.rule.strong_score for sighting in self._by_look.get(look, ()))

    def is_kept(self, sighting: Sighting) -> bool:
        """Strong, or linked to a strong one or to enough weak ones within the recovery time."""
        if sighting not in self._kept:
            self._kept[sighting] = self._is_confirmed(sighting)
        return self._kept[sighting]

    def _is_confirmed(self, sighting: Sighting) -> bool:
        if sighting.score >= self.rule.strong_score:
            return True
        linked = list(self._chain(sighting))
        return any(one.score >= self.rule.strong_score for one in linked) or self._is_repeated([sighting, *linked])

    def _is_repeated(self, chain: Sequence[Sighting]) -> bool:
        """What is doubtful each time, but always there: noise does not come back to the same place."""
        wanted = self.rule.repeated_score
        return bool(wanted) and len(chain) >= _REPEATS and sum(sighting.score for sighting in chain) >= wanted

    def _chain(self, sighting: Sighting) -> Iterator[Sighting]:
        for direction in ("before", "after"):
            linked: Sighting | None = getattr(sighting, direction)
            while linked and abs(self._tick(linked.look) - self._tick(sighting.look)) <= self.reach.recover:
                yield linked
                linked = getattr(linked, direction)

    def _tick(self, look: int) -> int:
        return self.timeline.ticks[self.looks[look]]

    def _link(self, earlier: list[Sighting], later: list[Sighting], *, steps: int) -> None:
        free = [sighting for sighting in earlier if sighting.after is None]
        fresh = [sighting for sighting in later if sighting.before is None]
        affinity = affinities(free, fresh, steps)
        if self._hurries:
            affinity = np.where(affinity > 0, affinity, leaps(free, fresh, steps, self.rule.strong_score))
        pairs = [(int(i), int(j)) for i, j in np.argwhere(affinity > 0)]
        for i, j in sorted(pairs, key=lambda pair: (-affinity[pair], *pair)):
            a, b = free[i], fresh[j]
            if a.after is None and b.before is None and may_be_one(a.thing, b.thing):
                a.after, b.before = b, a

    def _passages_at(self, frame: int) -> list[Passage]:
        if any(frame in span for span in self.spared):  # a person said so
            return []
        interval = bisect_right(self.looks, frame) - 1
        tick = self.timeline.ticks[frame]
        known_at, passages = self._passages.get(interval, (None, []))
        if known_at != self.newest:  # a later frame of the interval may be touched by looks that came since
            passages = list(self._gather(interval))
            self._passages[interval] = self.newest, passages
        return [passage for passage in passages if passage.start <= tick <= passage.end]

    def _gather(self, interval: int) -> Iterator[Passage]:
        """Every motion that touches the frames from look ``interval`` up to the next look."""
        start = self._tick(interval)
        end = self._tick(interval + 1) if interval + 1 < len(self.looks) else self.timeline.end_tick
        ticks = self.timeline.ticks.__getitem__
        first = bisect_left(self.looks, start - self._span(), key=ticks)
        for look in range(first, bisect_right(self.looks, end + self._span(), key=ticks)):
            for sighting in self._by_look.get(look, ()):
                if self.is_kept(sighting):
                    yield from (m for m in self._moves_of(sighting) if m.start <= end and m.end >= start)

    def _span(self) -> int:
        return max(self.reach.bridge, self.reach.hold) + 2 * self.reach.gap

    def _moves_of(self, sighting: Sighting) -> list[Passage]:
        if sighting not in self._moves:
            self._moves[sighting] = list(self._passages_of(sighting))
        return self._moves[sighting]

    def _passages_of(self, sighting: Sighting) -> Iterator[Passage]:
        here = self._tick(sighting.look)
        after = sighting.after
        if after is not None and self.is_kept(after):
            last = self._extent(after)
            yield Passage(here, self._tick(after.look), self._extent(sighting), last, thing=sighting.thing)
        if self._may_end(sighting, after, "after"):
            yield self._held(sighting, forward=True)
        if self._may_end(sighting, sighting.before, "before"):
            yield self._held(sighting, forward=False)

    def _may_end(self, sighting: Sighting, linked: Sighting | None, direction: Literal["after", "before"]) -> bool:
        """True when nothing is linked, or what may be another thing: far away, or weak and last after a certain one."""
        if linked is None or not self.is_kept(linked) or is_far(sighting, linked):
            return True
        if self.rule.motion is Motion.STATIC:
            return False
        further: Sighting | None = getattr(linked, direction)
        return linked.score < self.rule.strong_score <= sighting.score and (
            further is None or not self.is_kept(further)
        )

    def _held(self, sighting: Sighting, *, forward: bool) -> Passage:
        """Masked on beyond the last (or before the first) sighting, drifting on with the last known speed."""
        here = self._tick(sighting.look)
        neighbour = sighting.look + (1 if forward else -1)
        to_look = abs(self._tick(neighbour) - here) if 0 <= neighbour < len(self.looks) else self.reach.hold
        length = max(self.reach.hold, to_look - 1)  # the neighbouring look itself saw nothing
        seen = self._extent(sighting)
        drift = self._drift(sighting, length, forward=forward)
        most = max(sighting.box.size * _LONGEST_DRIFT, hypot(*drift) * min(1.0, self.reach.gap / max(1, length)))
        gone = self._reaching_out(seen, sighting.box.size * _NEAR_BORDER)  # where it may have gone
        if forward:
            return Passage(here, here + length, seen, gone, seen=here, thing=sighting.thing, drift=drift, most=most)
        return Passage(here - length, here, gone, seen, seen=here, thing=sighting.thing, drift=drift, most=most)

    def _extent(self, sighting: Sighting) -> Box:
        """How large it is taken to be: no smaller than at the sightings before and after.

        A detector's boxes flicker, most where it is least sure, and a cut-off thing is drawn too small; things do not
        shrink between two looks.
        """
        if self.rule.motion is Motion.STATIC or not self.reach.recover:
            return sighting.box
        linked = [other.box for other in (sighting.before, sighting.after) if other is not None]
        width, height = max([0.0, *(box.width for box in linked)]), max([0.0, *(box.height for box in linked)])
        return self._reaching_out(sighting.box.at_least(width, height), sighting.box.size * _AT_BORDER)

    def _reaching_out(self, box: Box, pixels: float) -> Box:
        if self.picture_size is None or self.rule.motion is Motion.STATIC:
            return box
        return box.reaching(*self.picture_size, within=pixels)

    def _drift(self, sighting: Sighting, length: int, *, forward: bool) -> tuple[float, float]:
        nearer, further = sighting.paces[::-1] if forward else sighting.paces
        pace = nearer or further
        # that it stands still a look may also wrongly tell: linked looks are heard then
        if pace is not None and any(pace):
            return (pace[0] * length, pace[1] * length) if forward else (-pace[0] * length, -pace[1] * length)
        other = sighting.before if forward else sighting.after
        if other is None or (self.rule.motion is Motion.STATIC and not plainly_moves(other.box, sighting.box)):
            return 0.0, 0.0
        dx, dy = centre_shift(other.box, sighting.box)
        scale = length / max(1, abs(self._tick(sighting.look) - self._tick(other.look)))
        return dx * scale, dy * scale
