"""Whether a group of pictures will probably be masked, judged before it is decoded.

The answer decides how a group is read, never what is written. It must not depend on which thread is faster, so it rests
on looks that were asked for some time ago, and waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.reader import Picture
from opendrape_masker.engine.groups import Stretch
from opendrape_masker.engine.looking import Watch
from opendrape_masker.engine.pictures import picture_bytes


@dataclass(frozen=True)
class Foresight:
    """Judges the groups of one chunk; ``pictures`` reads frames of the video."""

    media: MediaInfo
    timeline: Timeline
    regions: Sequence[MarkedRegion]
    watches: Sequence[Watch]
    window_bytes: int
    pictures: Callable[[FrameSpan], Iterator[Picture]]

    def expects_masks(self, stretch: Stretch) -> bool:
        """True when every picture should be kept until its masks are final, because it will be encoded.

        It cannot be copied, somebody marked a region, or the detectors see something. Never true when the pictures that
        wait for their masks would take more memory than they may.
        """
        if not self.watches or not self._window_fits():
            return False
        if not stretch.is_copyable or any(_touches(region, stretch.span) for region in self.regions):
            return True
        if not any(watch.lately for watch in self.watches):
            return self._glimpse(stretch.span.start)
        return any(watch.sees_something for watch in self.watches)

    def _glimpse(self, frame: int) -> bool:
        """What the first picture of all shows, seen ahead of the plan."""
        for picture in self.pictures(FrameSpan(frame, frame + 1)):
            return any(watch.would_see(picture) for watch in self.watches)
        return False

    def _window_fits(self) -> bool:
        ahead = max([0, *(watch.line.reach.ahead + watch.line.reach.gap for watch in self.watches)])
        frames = float(ahead * self.timeline.time_base * self.timeline.average_rate)
        return frames * picture_bytes(self.media) <= self.window_bytes


def _touches(region: MarkedRegion, span: FrameSpan) -> bool:
    return region.start_frame < span.end and (region.end_frame is None or region.end_frame > span.start)
