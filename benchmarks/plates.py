"""Which licence plates there are to hide: painted onto true vehicles, for the given pictures have none to measure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.things_truth import Annotated, Picture
from opendrape.domain.things import Thing
from opendrape_masker.engine.boxes import Box

_LEAST_VEHICLE = 48  # pixels across: a plate on anything smaller is a speck
_SHARE_ACROSS, _ASPECT = 0.24, 4.4
_FINER = 8
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_BEARERS = frozenset({Thing.CAR, Thing.BUS, Thing.TRUCK})


@dataclass(frozen=True, slots=True)
class Plated:
    """A picture with one plate on every vehicle that is large enough, and where the plates are."""

    picture: Picture
    plates: tuple[Box, ...]


def plated(pictures: list[Annotated], *, seed: int = 20261121) -> Iterator[Plated]:
    """The pictures with a vehicle for a plate; the same plates for the same seed."""
    dice = random.Random(seed)
    for one in pictures:
        boxes = [t.box for t in one.truths if t.thing in _BEARERS and t.box.width >= _LEAST_VEHICLE]
        if boxes:
            picture = one.picture.copy()
            yield Plated(picture, tuple(_paint(picture, box, dice) for box in boxes))


def _paint(picture: Picture, vehicle: Box, dice: random.Random) -> Box:
    """A plate at the lower middle of the vehicle, as wide as plates are; returns its box."""
    across = max(10, round(vehicle.width * _SHARE_ACROSS))
    down = max(3, round(across / _ASPECT))
    x = round(vehicle.x0 + (vehicle.width - across) * dice.uniform(0.35, 0.65))
    y = round(vehicle.y0 + vehicle.height * dice.uniform(0.68, 0.82))
    x, y = min(x, picture.shape[1] - across), min(y, picture.shape[0] - down)
    light = float(np.clip(picture[y : y + down, x : x + across].mean() / 110, 0.5, 1.0))
    plate = cv2.resize(_plate(across, down, dice), (across, down), interpolation=cv2.INTER_AREA)
    picture[y : y + down, x : x + across] = np.asarray(plate * light, np.uint8)
    return Box(x, y, x + across, y + down)


def _plate(across: int, down: int, dice: random.Random) -> Picture:
    """White with a dark rim and dark characters, eight times as large as it will be."""
    height, width = down * _FINER, across * _FINER
    plate = np.full((height, width, 3), 240, np.uint8)
    cv2.rectangle(plate, (0, 0), (width - 1, height - 1), (30, 30, 30), max(1, height // 16))
    text = "".join(dice.choices(_LETTERS, k=3)) + " " + "".join(dice.choices("0123456789", k=3))
    thick = max(1, height // 12)
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1.0, 1)
    size = min(width * 0.88 / wide, height * 0.62 / tall)
    at = (round((width - wide * size) / 2), round((height + tall * size) / 2))
    cv2.putText(plate, text, at, cv2.FONT_HERSHEY_DUPLEX, size, (20, 20, 20), thick, cv2.LINE_AA)
    return plate
