"""Where a thing is on the frames between two looks, or after its last and before its first sighting."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf

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
    drift: tuple[float, float] = (0.0, 0.0)
    """Of what is held: pixels that its speed takes it from where it was seen to the far end."""
    most: float = inf
    """But no further than this."""

    def at(self, tick: int, *, moving: bool) -> Box:
        if self.seen is not None:
            return self._held_at(tick)
        if not moving:
            return hull(self.first, self.last)
        share = (tick - self.start) / max(1, self.end - self.start)
        dx, dy = centre_shift(self.first, self.last)
        path = max(abs(dx), abs(dy)) * _SPEED_GROWTH * 4 * share * (1 - share)
        return between(self.first, self.last, share).grown(0.0, path)

    def _held_at(self, tick: int) -> Box:
        """Where it was seen it is where it was seen; after that (or before) it may be anywhere on its way so far."""
        forward = self.seen == self.start
        seen, far = (self.first, self.last) if forward else (self.last, self.first)
        if tick == self.seen:
            return seen
        share = abs(tick - (self.start if forward else self.end)) / max(1, self.end - self.start)
        share *= min(1.0, self.most / max(1.0, hypot(*self.drift) * share))
        dx, dy = self.drift[0] * share, self.drift[1] * share
        ahead = seen.moved(dx, dy).grown(0.0, max(abs(dx), abs(dy)) * _SPEED_GROWTH)
        return hull(far, hull(seen, ahead) if dx or dy else seen)
