"""Which groups of pictures a chunk consists of, and how far each of them is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opendrape.domain.timeline import FrameSpan
from opendrape.media.copying import Copyable, NotCopyable
from opendrape_masker.engine.regions import PixelRect


@dataclass
class Stretch:
    """Frames that are encoded together or copied together. ``reason``: why they cannot be copied; None when they can.

    ``is_dense``: every picture is decoded at once and encoded as soon as its masks are final, because masks are
    expected; otherwise the stretch is only searched, and read a second time, behind the search, as soon as it is known
    that it must be encoded. ``rectangles`` are what the frames up to there show painted, kept for that second reading.
    """

    span: FrameSpan
    reason: str | None
    is_dense: bool | None = None
    is_touched: bool = False
    rectangles: list[list[PixelRect]] = field(default_factory=list)

    @property
    def is_copyable(self) -> bool:
        return self.reason is None

    @property
    def is_read_again(self) -> bool:
        """True as soon as it is known that it will be encoded although its pictures were not kept."""
        return not self.is_dense and (self.is_touched or not self.is_copyable)

    def plan(self, rectangles: list[PixelRect]) -> None:
        """Take in what the next frame shows painted."""
        self.is_touched |= bool(rectangles)
        if not self.is_dense:
            self.rectangles.append(rectangles)

    def planned(self) -> list[list[PixelRect]]:
        """Hand out what was planned since the last time."""
        planned, self.rectangles = self.rectangles, []
        return planned


class Stretches:
    """A chunk from end to end; ``decide`` says of a stretch, when first asked for, whether it is dense."""

    def __init__(self, stretches: Sequence[Stretch], decide: Callable[[Stretch], bool]) -> None:
        self._stretches = stretches
        self._starts = [stretch.span.start for stretch in stretches]
        self._decide = decide

    def at(self, frame: int) -> Stretch:
        """Where a frame of the chunk is in."""
        stretch = self._stretches[bisect_right(self._starts, frame) - 1]
        if stretch.is_dense is None:
            stretch.is_dense = self._decide(stretch)
        return stretch


def stretches_of(span: FrameSpan, source: Copyable | NotCopyable) -> list[Stretch]:
    """The groups of a source that may be copied; the whole span when none may."""
    if isinstance(source, NotCopyable):
        return [Stretch(span, source.reason)]
    return [Stretch(group.span, group.reason) for group in source.groups]
