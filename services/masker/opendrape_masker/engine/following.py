"""How fast lettering moves: found at one look, sought in the pictures shortly before and after it.

Between two looks for text a line may scroll past or a label be carried through the picture. One look tells where it is,
not where it goes. Pictures that another detector's looks have decoded anyway lie between; a small copy of the lettering
is sought there by cross-correlation of its fine detail. Nothing is shown because of what is not found again: a pace
only adds places to the mask (V-03, V-04).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.timeline import Timeline
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.pictures import Array, Still, small_luma
from opendrape_masker.engine.sightings import Pace, Seen

_LONG_SIDE = 640
_BETWEEN_LOOKS = 3  # looks for text are that many looks for faces apart
_FURTHEST = 0.2  # of the longest side, from picture to picture
_STAYED = 0.8  # correlation where it was: it is still there
_FOUND = 0.5  # correlation elsewhere: it went there
_PLAINLY = 0.1  # more than where it was
_LEAST_DETAIL = 0.5  # levels on average: flat areas correlate with every other flat area
_LEAST_SIDE = 4  # pixels of the small picture


@dataclass
class Follower:
    """Small pictures around each look of one rule, for as long as they are needed."""

    timeline: Timeline
    looks: Sequence[int]
    size: tuple[int, int]
    """Width and height of the stored picture."""
    _near: Sequence[int] = field(init=False)
    _wanted: frozenset[int] = field(init=False)
    _small: dict[int, Future[Array]] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: DetectRule, media: MediaInfo, timeline: Timeline, looks: Sequence[int]) -> Follower | None:
        """One for lettering that is taken to stand still; what is known to move is linked from look to look."""
        if rule.role is not Role.TEXT or rule.motion is not Motion.STATIC or len(timeline) == 1:
            return None
        follower = cls(timeline, looks, (media.width, media.height))
        follower._near = timeline.looks(rule.max_gap_seconds / _BETWEEN_LOOKS)
        around = (frame for look in looks for frame in follower.beside(look))
        follower._wanted = frozenset((*looks, *(frame for frame in around if frame is not None)))
        return follower

    def wants(self, frame: int) -> bool:
        """True when the frame's picture is needed."""
        return frame in self._wanted

    def beside(self, look: int) -> tuple[int | None, int | None]:
        """The frames before and after the look's that are compared with it; a function of the timeline alone."""
        before, after = bisect_left(self._near, look) - 1, bisect_right(self._near, look)
        return self._near[before] if before >= 0 else None, self._near[after] if after < len(self._near) else None

    def keep(self, frame: int, still: Still, pool: ThreadPoolExecutor) -> None:
        """Take a small copy when it is wanted."""
        if self.wants(frame):
            self._small[frame] = pool.submit(small_luma, still, self._small_size)

    def is_complete(self, look: int) -> bool:
        """True when the picture after this frame's has come, or none will."""
        _, after = self.beside(look)
        return after is None or after in self._small

    def paced(self, look: int, found: Sequence[Seen]) -> list[Seen]:
        """The same sightings with their paces; pictures from before this look's are not needed any more.

        A copy that failed is an error even where nothing was found.
        """
        followed = [seen._replace(paces=self._paces(look, seen.box)) for seen in found]
        for frame in [frame for frame in self._small if frame < look]:
            self._small.pop(frame).result()
        return followed

    @property
    def frames_kept(self) -> tuple[int, ...]:
        """Whose small pictures are held just now."""
        return tuple(self._small)

    @property
    def _small_size(self) -> tuple[int, int]:
        scale = min(1.0, _LONG_SIDE / max(self.size))
        return max(1, round(self.size[0] * scale)), max(1, round(self.size[1] * scale))

    def _paces(self, look: int, box: Box) -> tuple[Pace | None, Pace | None]:
        before, after = self.beside(look)
        return self._pace(look, before, box), self._pace(look, after, box)

    def _pace(self, look: int, other: int | None, box: Box) -> Pace | None:
        if other is None or other not in self._small or look not in self._small:
            return None
        across, down = (full / small for full, small in zip(self.size, self._small_size, strict=True))
        here = Box(box.x0 / across, box.y0 / down, box.x1 / across, box.y1 / down)
        shift = shifted(self._small[look].result(), self._small[other].result(), here)
        if shift is None:
            return None
        time = self.timeline.ticks[other] - self.timeline.ticks[look]
        return shift[0] * across / time, shift[1] * down / time


def shifted(here: Array, there: Array, box: Box) -> tuple[float, float] | None:
    """How far what the box shows ``here`` lies away ``there``, in pixels; None when it is not found again.

    Luma ``[H, W]`` uint8 both. What is still in its place is not sought anywhere else.
    """
    height, width = here.shape
    inside = box.clipped(width, height)
    if inside is None or min(inside.width, inside.height) < _LEAST_SIDE:
        return None
    x0, y0, x1, y1 = int(inside.x0), int(inside.y0), round(inside.x1), round(inside.y1)
    reach = round(_FURTHEST * max(height, width))
    sample = _detail(here[y0:y1, x0:x1])
    if float(np.abs(sample).mean()) < _LEAST_DETAIL:
        return None
    # the same part of the other picture and all around it; nothing lies outside the picture
    top, left, bottom, right = max(0, y0 - reach), max(0, x0 - reach), min(height, y1 + reach), min(width, x1 + reach)
    field_ = np.zeros((y1 - y0 + 2 * reach, x1 - x0 + 2 * reach), np.float32)
    field_[top - y0 + reach : bottom - y0 + reach, left - x0 + reach : right - x0 + reach] = _detail(
        there[top:bottom, left:right]
    )
    stayed = _correlation(sample, field_[reach : reach + y1 - y0, reach : reach + x1 - x0])
    if stayed >= _STAYED:
        return 0.0, 0.0
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(field_, sample, cv2.TM_CCORR_NORMED))
    if best < max(_FOUND, stayed + _PLAINLY):
        return (0.0, 0.0) if stayed >= _FOUND else None
    return float(x - reach), float(y - reach)


def _detail(luma: Array) -> Array:
    """What is finer than a stroke of lettering is wide, with sign."""
    exact = luma.astype(np.float32)
    return np.asarray(exact - cv2.GaussianBlur(exact, (0, 0), 2.0), np.float32)


def _correlation(one: Array, other: Array) -> float:
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.vdot(one, other)) / scale if scale else 0.0
