"""Which people, vehicles and screens are really in the pictures, and how much of each a set of boxes hides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from opendrape.domain.things import VEHICLES, Thing
from opendrape_masker.engine.boxes import Box, covered_share, intersection, overlap

Picture = npt.NDArray[np.uint8]
COCO = {
    0: Thing.PERSON,
    1: Thing.BICYCLE,
    2: Thing.CAR,
    3: Thing.MOTORCYCLE,
    5: Thing.BUS,
    7: Thing.TRUCK,
    62: Thing.SCREEN,
    63: Thing.SCREEN,
    67: Thing.SCREEN,
}
"""Classes of the annotation files (80 in the order of COCO) that count as a thing of ours."""
LARGE = 0.01
"""Share of the picture from which on a thing counts as large."""
GROUPS = {"person": frozenset({Thing.PERSON}), "vehicle": VEHICLES, "screen": frozenset({Thing.SCREEN})}
_SAME = 0.3  # intersection over union from which on a detection is of a true thing


@dataclass(frozen=True, slots=True)
class Truth:
    """One true box in pixels, what it is and its share of the picture."""

    box: Box
    thing: Thing
    share: float


@dataclass(frozen=True, slots=True)
class Annotated:
    """One picture and everything of ours that is in it."""

    picture: Picture
    truths: tuple[Truth, ...]


def annotated_pictures(folder: Path) -> Iterator[Annotated]:
    """Every picture with a file of normalised ``class centre-x centre-y width height`` lines beside it."""
    for path in sorted(folder.glob("*.jpg")):
        lines = path.with_suffix(".txt")
        if lines.is_file():
            picture = np.asarray(cv2.imread(str(path)), np.uint8)
            yield Annotated(picture, tuple(_truths(lines.read_text(encoding="utf-8"), picture)))


def _truths(text: str, picture: Picture) -> Iterator[Truth]:
    height, width = picture.shape[:2]
    for kind, *numbers in (line.split() for line in text.splitlines() if line.strip()):
        x, y, across, down = (float(number) for number in numbers)
        box = Box((x - across / 2) * width, (y - down / 2) * height, (x + across / 2) * width, (y + down / 2) * height)
        if int(kind) in COCO:
            yield Truth(box, COCO[int(kind)], across * down)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One true box: its group, whether it is large, and the share of it that masks hide."""

    group: str
    large: bool
    hidden: float


def judged(truths: Sequence[Truth], masks: Sequence[tuple[Box, Thing]]) -> Iterator[Verdict]:
    """Every true box against the masks of its own group."""
    for group, things in GROUPS.items():
        boxes = [box for box, thing in masks if thing in things]
        for truth in truths:
            if truth.thing in things:
                yield Verdict(group, truth.share >= LARGE, covered_share(truth.box, boxes))


def false_alarms(truths: Sequence[Truth], masks: Sequence[tuple[Box, Thing]], group: str) -> int:
    """Masks of a group that are on nothing of it: no true box overlaps well, none lies mostly under it or around it."""
    true = [truth.box for truth in truths if truth.thing in GROUPS[group]]
    return sum(1 for box, thing in masks if thing in GROUPS[group] and not any(_is_on(box, one) for one in true))


def _is_on(box: Box, true: Box) -> bool:
    common = intersection(box, true)
    return overlap(box, true) >= _SAME or common >= 0.5 * box.area or common >= 0.5 * true.area
