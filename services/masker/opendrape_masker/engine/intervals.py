"""When what was masked: the frames of each role as intervals, bounded however long the video is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opendrape.domain.regions import FoundInterval
from opendrape.domain.timeline import Timeline
from opendrape_masker.engine.regions import PixelRect, Target

MOST_INTERVALS = 1000
"""Per report; past that, pauses are closed, shortest first, and the report says so: nothing is left out."""
_ROOM = 2 * MOST_INTERVALS
_GROWING = ("end_frame", "end_seconds", "most_at_once")


@dataclass
class IntervalTally:
    """Told of every frame in order, keeps at most twice :data:`MOST_INTERVALS`."""

    _closed: list[FoundInterval] = field(default_factory=list)
    _open: dict[str, FoundInterval] = field(default_factory=dict)
    joined: bool = False

    def note(self, frame: int, painted: Sequence[PixelRect], hidden: Sequence[Target] = ()) -> None:
        """What is painted on ``frame``, and what is ``hidden``, perhaps under another's paint: each label counts once.

        Frames come in order; one that is left out ends every interval.
        """
        counts = Counter({target.label for target in hidden if painted}) | Counter(one.label for one in painted)
        for role in [role for role, span in self._open.items() if role not in counts or span.end_frame != frame]:
            self._closed.append(self._open.pop(role))
        for role, count in counts.items():
            before = self._open.get(role)
            start = before.start_frame if before else frame
            most = max(count, before.most_at_once if before else 0)
            self._open[role] = FoundInterval(role=role, start_frame=start, end_frame=frame + 1, most_at_once=most)
        if len(self._closed) > _ROOM:
            self._closed, self.joined = _fewer(self._closed), True

    @property
    def intervals(self) -> tuple[FoundInterval, ...]:
        """By role, then by time; not yet bounded to :data:`MOST_INTERVALS`: see :func:`bounded`."""
        return tuple(sorted([*self._closed, *self._open.values()], key=_by_role_and_time))


def bounded(parts: Iterable[FoundInterval]) -> tuple[tuple[FoundInterval, ...], bool]:
    """Intervals of neighbouring chunks as one list of at most :data:`MOST_INTERVALS`; True when pauses were closed."""
    touching = _join(sorted(parts, key=_by_role_and_time), pause=0)
    if len(touching) <= MOST_INTERVALS:
        return tuple(touching), False
    return tuple(_fewer(touching)), True


def timed(intervals: Iterable[FoundInterval], timeline: Timeline) -> list[FoundInterval]:
    """The same with seconds from the video's first frame."""
    return [
        one.model_copy(
            update={
                "start_seconds": shown_at(timeline, one.start_frame),
                "end_seconds": shown_at(timeline, one.end_frame),
            }
        )
        for one in intervals
    ]


def shown_at(timeline: Timeline, frame: int) -> float:
    """When ``frame`` is shown, in seconds from the first one; for the frame after the last: when the video ends."""
    return round(float(timeline.seconds(frame) if frame < len(timeline) else timeline.duration), 6)


def _fewer(intervals: Iterable[FoundInterval]) -> list[FoundInterval]:
    """Close ever longer pauses until there is room; roles are few, so one interval each always fits."""
    joined, pause = sorted(intervals, key=_by_role_and_time), 1
    while len(joined) > MOST_INTERVALS:
        joined, pause = _join(joined, pause=pause), pause * 2
    return joined


def _join(intervals: Sequence[FoundInterval], *, pause: int) -> list[FoundInterval]:
    """Sorted intervals of one role with at most ``pause`` frames between them as one."""
    joined: list[FoundInterval] = []
    for one in intervals:
        last = joined[-1] if joined else None
        if last is not None and last.role == one.role and one.start_frame - last.end_frame <= pause:
            latest = {name: max(getattr(last, name), getattr(one, name)) for name in _GROWING}
            joined[-1] = last.model_copy(update=latest)
        else:
            joined.append(one)
    return joined


def _by_role_and_time(one: FoundInterval) -> tuple[str, int]:
    return one.role, one.start_frame
