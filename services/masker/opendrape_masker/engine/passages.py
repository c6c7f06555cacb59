"""Where a thing is on the frames between two looks, or after its last and before its first sighting."""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.domain.things import Thing
from opendrape_masker.engine.boxes import Box, between, centre_shift, hull

_SPEED_GROWTH = 0.25  # of the path between two looks: motion is not linear


@dataclass(slots=True)
class Passage:
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
