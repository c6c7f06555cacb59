"""Which sightings lie on one straight course: what crosses the picture so fast that two looks alone cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import hypot

from opendrape_masker.engine.boxes import centre_shift
from opendrape_masker.engine.sightings import Sighting, may_be_one

_FURTHEST = 9.0  # sizes from look to look; a person who runs past takes less
_SIZE_RATIO = 1.5
_OFF_COURSE = 0.5  # sizes beside the place where an even speed would have brought it

Course = tuple[Sighting, Sighting, Sighting]


def courses(
    first: Sequence[Sighting], second: Sequence[Sighting], third: Sequence[Sighting], tick: Callable[[int], int]
) -> Iterator[Course]:
    """Free sightings at looks in a row that an even speed explains, the straightest first, every sighting once.

    A second one that is linked to an earlier one keeps that; ``tick`` tells when a look is.
    """
    found = []
    for b in (sighting for sighting in second if sighting.after is None):
        for number, c in enumerate(third):
            if c.before is None and _alike(b, c):
                for a in [b.before] if b.before is not None else first:
                    off = _off_course(a, b, c, tick) if a.after in (None, b) and _alike(a, b) else _OFF_COURSE
                    if off < _OFF_COURSE:
                        found.append((off, number, (a, b, c)))
    for _, _, (a, b, c) in sorted(found, key=lambda one: one[:2]):
        if b.after is None and c.before is None and a.after in (None, b) and b.before in (None, a):
            yield a, b, c


def _alike(one: Sighting, other: Sighting) -> bool:
    larger, smaller = max(one.box.size, other.box.size), max(1.0, min(one.box.size, other.box.size))
    near = hypot(*centre_shift(one.box, other.box)) <= _FURTHEST * (larger + smaller) / 2
    return near and larger <= _SIZE_RATIO * smaller and may_be_one(one.thing, other.thing)


def _off_course(a: Sighting, b: Sighting, c: Sighting, tick: Callable[[int], int]) -> float:
    """How far ``c`` lies from where the way from ``a`` to ``b`` leads, in sizes."""
    pace = (tick(c.look) - tick(b.look)) / max(1, tick(b.look) - tick(a.look))
    (dx, dy), (ex, ey) = centre_shift(a.box, b.box), centre_shift(b.box, c.box)
    return hypot(ex - dx * pace, ey - dy * pace) / max(1.0, (b.box.size + c.box.size) / 2)
