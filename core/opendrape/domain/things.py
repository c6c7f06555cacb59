"""Which classes of things OpenDrape finds and counts: a bounded set, safe as a label anywhere."""

from __future__ import annotations

from enum import StrEnum


class Thing(StrEnum):
    """What a detection is. Reports count by it and a mask may be coloured by it."""

    FACE = "face"
    HEAD = "head"
    TEXT = "text"
    PERSON = "person"
    BICYCLE = "bicycle"
    MOTORCYCLE = "motorcycle"
    CAR = "car"
    BUS = "bus"
    TRUCK = "truck"
    PLATE = "plate"
    SCREEN = "screen"
    OUT_OF_BODY = "out-of-body"


VEHICLES = frozenset({Thing.BICYCLE, Thing.MOTORCYCLE, Thing.CAR, Thing.BUS, Thing.TRUCK})
"""Detectors often take one for another, so a track may pass from one to the other."""
