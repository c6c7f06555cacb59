"""What is seen at one look, and which sightings may be of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from opendrape.domain.things import VEHICLES, Thing
from opendrape_masker.engine.boxes import Box

Pace = tuple[float, float]
"""Pixels of the stored picture a tick, across and down."""
Paces = tuple[Pace | None, Pace | None]
"""From shortly before, and until shortly after; None where nothing could be told."""


class Seen(NamedTuple):
    """What a detector says about a picture; ``thing`` is None when the role says it all."""

    box: Box
    score: float
    thing: Thing | None = None
    paces: Paces = (None, None)


def may_be_one(a: Thing | None, b: Thing | None) -> bool:
    """Detectors take one kind of vehicle for another, but never a person for one."""
    return a == b or (a in VEHICLES and b in VEHICLES)


@dataclass(eq=False, slots=True)
class Sighting:
    """One detection at one look. ``look`` counts the looks of the whole video."""

    look: int
    box: Box
    score: float
    before: Sighting | None = None
    after: Sighting | None = None
    thing: Thing | None = None
    paces: Paces = (None, None)
