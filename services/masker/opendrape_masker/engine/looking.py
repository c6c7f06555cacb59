"""When each detector looks, and what all of them together say about a frame."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import inf

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import DetectRule
from opendrape.domain.regions import FrameAccount, MarkedRegion
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.reader import Picture
from opendrape_masker.detectors import Detection, Detector
from opendrape_masker.detectors.second_opinion import SecondOpinion
from opendrape_masker.engine.boxes import Box, hull, overlap
from opendrape_masker.engine.following import Follower
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.pictures import Array, Still, View
from opendrape_masker.engine.regions import Target
from opendrape_masker.engine.sightings import Seen, may_be_one

Found = list[Seen]
_SAME_THING = 0.45
_STILL_LOOKING = 2  # looks whose answers nobody waits for when a group is judged


@dataclass(frozen=True)
class Eye:
    """A detector with the sizes at which it looks."""

    detector: Detector
    views: tuple[View, ...]
    aside: View | None = None
    """What a second opinion is given on, where several rules mean the same picture."""
    largest_pixels: float = inf
    """Hits larger than this in the small picture are not this eye's business."""

    @classmethod
    def of(cls, detector: Detector, media: MediaInfo, long_sides: Sequence[int], *, largest_pixels: int = 0) -> Eye:
        views = tuple(View.of(media, side) for side in detector.model.fitting(long_sides))
        shown = detector.shown_pixels if isinstance(detector, SecondOpinion) else None
        return cls(detector, views, View.of(media, shown) if shown else None, largest_pixels or inf)

    def take(self, picture: Picture | Still) -> list[Array]:
        """The small pictures this eye wants to see."""
        return [view.take(picture) for view in self.views]

    def look(self, picture: Picture | Still, frame: int) -> Found:
        """Take and see, with a second opinion on a picture of its own where the detector has one."""
        small = self.take(picture)
        return self.see(small, frame, partial(self._show, picture, small))

    def _show(self, picture: Picture | Still, small: Sequence[Array]) -> Array:
        assert self.aside is not None
        return small[self.views.index(self.aside)] if self.aside in self.views else self.aside.take(picture)

    def see(self, small: Sequence[Array], frame: int, show: Callable[[], Array] | None = None) -> Found:
        """Boxes on the full picture with scores; the same thing seen at two sizes counts once, with the hull's size."""
        found: Found = []
        for view, array in zip(self.views, small, strict=True):
            for hit in self._hits(array, frame, show):
                box = Box(hit.x0, hit.y0, hit.x1, hit.y1)
                if box.size <= self.largest_pixels:
                    found.append(Seen(view.back(box), float(hit.score), hit.thing))
        # what one look tells apart stays apart: two people may overlap more than two sightings of one
        return merge_same(found) if len(self.views) > 1 else found

    def _hits(self, array: Array, frame: int, show: Callable[[], Array] | None) -> Sequence[Detection]:
        if self.aside is not None and show is not None and isinstance(self.detector, SecondOpinion):
            return self.detector.detect_showing(array, frame, show)
        return self.detector.detect([array], [frame])[0]


def merge_same(found: Found) -> Found:
    """Of every group of boxes that overlap strongly the best, as large as all of them: none hides less than another."""
    kept: Found = []
    for seen in sorted(found, key=lambda one: -one.score):
        for place, one in enumerate(kept):
            if may_be_one(seen.thing, one.thing) and overlap(seen.box, one.box) >= _SAME_THING:
                kept[place] = one._replace(box=hull(one.box, seen.box))
                break
        else:
            kept.append(seen)
    return kept


@dataclass
class Watch:
    """One rule at work: its eye, its looks, its tracks."""

    rule: DetectRule
    eye: Eye
    line: TrackLine
    second_eye: Eye | None = None
    second_intervals: tuple[FrameSpan, ...] = ()
    follower: Follower | None = None
    _asked: list[tuple[int, Future[Found]]] = field(default_factory=list)
    _next_look: int = 0
    _first_look: int = 0

    def start_at(self, frame: int) -> None:
        """Looks before ``frame`` are not needed."""
        while self._next_look < len(self.line.looks) and self.line.looks[self._next_look] < frame:
            self._next_look += 1
        self._first_look = self._next_look

    def offer(self, picture: Picture, pool: ThreadPoolExecutor) -> None:
        """Ask the detector when this frame is a look."""
        if self.follower is not None:
            self.follower.keep(picture.index, Still.of(picture), pool)
        if self._next_look < len(self.line.looks) and self.line.looks[self._next_look] == picture.index:
            eyes = [self.eye, *([self.second_eye] if self._doubly(picture.index) and self.second_eye else [])]
            self._asked.append((self._next_look, pool.submit(_see_all, eyes, Still.of(picture), picture.index)))
            self._next_look += 1

    def settle(self, *, tick: int, wait: bool = True) -> bool:
        """Take in answers until the masks at ``tick`` are final. False when more looks, or their answers, are needed.

        ``wait`` says whether answers that are not there yet are waited for.
        """
        while self._has_next() and not self.line.final(tick) and (wait or self._asked[0][1].done()):
            self._take_in_one()
        return self.line.final(tick)

    def keep_up(self, pending: int) -> None:
        """Wait until at most ``pending`` answers are outstanding: small pictures must not pile up."""
        while len(self._asked) > pending and self._has_next():
            self._take_in_one()

    def wants(self, frame: int) -> bool:
        """True when the frame is a look, or compared with one."""
        return self.is_look(frame) or (self.follower is not None and self.follower.wants(frame))

    def needed(self, first: int, last: int) -> tuple[int, int]:
        """Frames ``[a, b)`` to decode so that the masks of ``[first, last)`` are those of the whole video."""
        start, end = self.line.needed(first, last)
        if self.follower is None:
            return start, end
        (before, _), (_, after) = self.follower.beside(start), self.follower.beside(end - 1)
        return start if before is None else before, end if after is None else after + 1

    def is_look(self, frame: int) -> bool:
        """True when the plan has this frame examined."""
        look = bisect_left(self.line.looks, frame)
        return look < len(self.line.looks) and self.line.looks[look] == frame

    @property
    def lately(self) -> range:
        """The looks of the last second before the newest two that were asked for.

        Which looks these are does not depend on how fast they are answered.
        """
        end = self._next_look - _STILL_LOOKING
        if end <= self._first_look:
            return range(0)
        ticks, base = self.line.timeline.ticks, self.line.timeline.time_base
        second = bisect_left(self.line.looks, ticks[self.line.looks[end - 1]] - int(1 / base), key=ticks.__getitem__)
        return range(max(second, self._first_look), end)

    def would_see(self, picture: Picture) -> bool:
        """True when a look at this picture gives a strong detection; not part of the plan, nothing is kept."""
        found = self.eye.look(picture, picture.index)
        return any(seen.score >= self.rule.strong_score for seen in found)

    @property
    def sees_something(self) -> bool:
        """True when one of the looks in :attr:`lately` gave a strong detection; waits for their answers."""
        self.keep_up(_STILL_LOOKING)
        return any(self.line.is_strong(look) for look in self.lately)

    @property
    def last_asked_tick(self) -> int | None:
        """Tick of the newest look that was asked for."""
        look = self._next_look - 1
        return self.line.timeline.ticks[self.line.looks[look]] if look >= 0 else None

    @property
    def all_asked(self) -> bool:
        return self._next_look >= len(self.line.looks)

    def _has_next(self) -> bool:
        """True when an answer can be taken in as soon as it is there: everything it is compared with has come."""
        return bool(self._asked) and (
            self.follower is None or self.follower.is_complete(self.line.looks[self._asked[0][0]])
        )

    def _take_in_one(self) -> None:
        look, answer = self._asked.pop(0)
        found = answer.result()
        self.line.add(look, self.follower.paced(self.line.looks[look], found) if self.follower else found)

    def _doubly(self, frame: int) -> bool:
        return any(frame in interval for interval in self.second_intervals)


def _see_all(eyes: Sequence[Eye], still: Still, frame: int) -> Found:
    found = [hit for eye in eyes for hit in eye.look(still, frame)]
    return merge_same(found) if len(eyes) > 1 else found


@dataclass
class Tally:
    """Counts over the frames of one chunk, by role."""

    detections: dict[str, int] = field(default_factory=dict)
    tracks: dict[str, int] = field(default_factory=dict)
    things: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, FrameAccount] = field(default_factory=dict)

    def count(self, frame: int, masked: Sequence[tuple[Watch, bool]]) -> None:
        """V-02: put the frame into exactly one of the three counts of every role and add what was seen on it.

        ``masked`` says of every watch whether it masks something on the frame; several may share a role.
        """
        for role in dict.fromkeys(str(watch.rule.role) for watch, _ in masked):
            own = [(watch.line.facts_at(frame), is_masked) for watch, is_masked in masked if watch.rule.role == role]
            looks = [facts for facts, _ in own if facts is not None]
            step = _account(looked=bool(looks), masked=any(is_masked for _, is_masked in own))
            self.accounts[role] = self.accounts.get(role, FrameAccount()).plus(step)
            self.detections[role] = self.detections.get(role, 0) + sum(facts.detections for facts in looks)
            self.tracks[role] = self.tracks.get(role, 0) + sum(facts.beginnings for facts in looks)
            for thing, count in ((str(thing or role), n) for facts in looks for thing, n in facts.things.items()):
                self.things[thing] = self.things.get(thing, 0) + count


def _account(*, looked: bool, masked: bool) -> FrameAccount:
    if looked:
        return FrameAccount(examined=1)
    return FrameAccount(inside_track=1) if masked else FrameAccount(bracketed=1)


def marked_targets(regions: Sequence[MarkedRegion], frame: int) -> list[Target]:
    """The regions that somebody marked for this frame, or that the second look found."""
    return [
        Target(Box(r.x, r.y, r.x + r.width, r.y + r.height), must_be_solid=r.must_be_solid)
        for r in regions
        if r.start_frame <= frame and (r.end_frame is None or frame < r.end_frame)
    ]


def rules_for(width: int, height: int, rules: Sequence[DetectRule]) -> list[DetectRule]:
    """Those that are for videos of this size."""
    longest = max(width, height)
    return [rule for rule in rules if longest >= rule.from_pixels and not 0 < rule.below_pixels <= longest]


def watch_for(rule: DetectRule, detector: Detector, media: MediaInfo, timeline: Timeline) -> Watch:
    """A rule ready to work."""
    eye = Eye.of(detector, media, rule.long_side_pixels, largest_pixels=rule.largest_pixels)
    looks = timeline.looks(rule.max_gap_seconds)
    line = TrackLine(rule, timeline, looks, (media.width, media.height))
    return Watch(rule, eye, line, follower=Follower.of(rule, media, timeline, looks))
