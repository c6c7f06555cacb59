"""How many leading frames show, or come before the end of, a case sheet (V-06)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from opendrape.domain.scene_rules import CaseSheetRule
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.reader import Picture
from opendrape.media.sparse_reader import read_wanted
from opendrape_masker.detectors import Detector
from opendrape_masker.detectors.case_sheet import Line, sheet_score
from opendrape_masker.engine.pictures import Array, View
from opendrape_masker.engine.render import Job

_LONG_SIDE = 960
_LONGEST = 10  # times the rule's time: a sheet that is held that long is no sheet
_BRIDGE = Fraction(2)  # seconds without a sighting that do not end the appearance: a hand, a blur


@dataclass(frozen=True, slots=True)
class LeadingSheet:
    """Frames ``[0, frames)`` are to be blacked, margin included; 0: no sheet. ``ended``: its end was seen."""

    frames: int = 0
    ended: bool = True

    @property
    def word(self) -> Literal["none", "found", "still_there"]:
        """As the report says it."""
        if not self.frames:
            return "none"
        return "found" if self.ended else "still_there"


def reach_frames(timeline: Timeline, rule: CaseSheetRule) -> int:
    """Frames that the answer may touch: later chunks need not ask."""
    return _frames_until(timeline, rule.within_seconds * _LONGEST + rule.margin_seconds + rule.max_gap_seconds)


def find_sheet(job: Job, rule: CaseSheetRule, text: Detector, alive: Callable[[], None]) -> LeadingSheet:
    """Look from the start for ``within_seconds``, and on for as long as a sheet is in view."""
    appearance = Appearance(rule)
    for frame, small in _looks(job, rule):
        seconds = job.timeline.seconds(frame)
        if seconds > rule.within_seconds and not appearance.lasts_at(seconds):
            break
        appearance.add(seconds, sheet_score(small, _lines_by(text, small, frame)))
        alive()
    if appearance.last is None:
        return LeadingSheet()
    end = appearance.last + rule.max_gap_seconds + rule.margin_seconds
    ended = not appearance.lasts_at(rule.within_seconds * _LONGEST)
    return LeadingSheet(_frames_until(job.timeline, end), ended)


@dataclass
class Appearance:
    """When the sheet was last seen: strong by itself, or weak and not long after it was seen."""

    rule: CaseSheetRule
    last: Fraction | None = None

    def add(self, seconds: Fraction, score: float) -> None:
        """Take in one look; looks come in order."""
        if score >= self.rule.strong_score or (score >= self.rule.weak_score and self.lasts_at(seconds)):
            self.last = seconds

    def lasts_at(self, seconds: Fraction) -> bool:
        """True while it was seen so recently that it may still be there."""
        return self.last is not None and seconds - self.last <= max(_BRIDGE, 2 * self.rule.max_gap_seconds)


def _looks(job: Job, rule: CaseSheetRule) -> Iterator[tuple[int, Array]]:
    last = _frames_until(job.timeline, rule.within_seconds * _LONGEST)
    wanted = frozenset(look for look in job.timeline.looks(rule.max_gap_seconds) if look < last)
    view = View.of(job.media, _LONG_SIDE)
    for picture in _pictures(job, FrameSpan(0, max(wanted) + 1), wanted):
        yield picture.index, view.take(picture)


def _pictures(job: Job, span: FrameSpan, wanted: frozenset[int]) -> Iterator[Picture]:
    return read_wanted(
        job.descriptor,
        media=job.media,
        timeline=job.timeline,
        span=span,
        limits=job.limits,
        threads=job.threads,
        wanted=wanted.__contains__,
    )


def _lines_by(text: Detector, small: Array, frame: int) -> Callable[[], list[Line]]:
    return lambda: [(hit.x0, hit.y0, hit.x1, hit.y1) for hit in text.detect([small], [frame])[0]]


def _frames_until(timeline: Timeline, seconds: Fraction) -> int:
    """How many frames start before ``seconds``."""
    tick = timeline.ticks[0] + seconds / timeline.time_base
    return max(1, bisect_left(timeline.ticks, tick)) if seconds > 0 else bisect_right(timeline.ticks, timeline.ticks[0])
