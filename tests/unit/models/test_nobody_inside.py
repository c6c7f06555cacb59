"""V-01: what small networks take for people inside a body is tissue, and only where everything agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import Detection, ModelFacts, Picture
from opendrape_masker.detectors.nobody_inside import FACE_SCORE, NobodyInside

TISSUE, ROOM = (40, 60, 170), (190, 180, 170)  # BGR: red far above green, and grey


@dataclass
class _Sees:
    """Sees the same boxes in every picture."""

    role: Role
    hits: tuple[tuple[float, float, float, float, float, Thing], ...]
    asked: int = 0

    @property
    def model(self) -> ModelFacts:
        return ModelFacts("scripted", self.role, "0" * 64)

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        self.asked += 1
        return [
            [Detection(frame, self.role, score, x0, y0, x1, y1, thing) for x0, y0, x1, y1, score, thing in self.hits]
            for frame in frames
        ]


LARGE = (0.0, 0.0, 150.0, 100.0, 0.8, Thing.PERSON)
SMALL = (10.0, 10.0, 40.0, 60.0, 0.8, Thing.PERSON)
TRUCK = (0.0, 0.0, 150.0, 100.0, 0.8, Thing.TRUCK)


def picture(colour: tuple[int, int, int] = TISSUE) -> Picture:
    return np.full((100, 160, 3), colour, np.uint8)


def believed(shown: Picture, *hits: tuple[float, float, float, float, float, Thing], face: float = 0.0) -> list[Thing]:
    faces = _Sees(Role.FACE, ((5.0, 5.0, 15.0, 15.0, face, Thing.FACE),) if face else ())
    detector = NobodyInside(_Sees(Role.PERSON_VEHICLE, hits), faces)
    [found] = detector.detect([shown], [3])
    return [hit.thing for hit in found]


def test_a_large_person_in_tissue_does_not_count() -> None:
    """V-01: otherwise whole laparoscopies would be black."""
    assert believed(picture(), LARGE, SMALL, TRUCK) == [Thing.PERSON, Thing.TRUCK]


@pytest.mark.parametrize("score", [FACE_SCORE, 0.9])
def test_with_a_face_in_the_picture_everybody_counts(score: float) -> None:
    """V-01: somebody is there, whatever the light."""
    assert believed(picture(), LARGE, face=score) == [Thing.PERSON]
    assert believed(picture(), LARGE, face=FACE_SCORE - 0.05) == []


def test_in_a_room_everybody_counts() -> None:
    """V-01: red clothes that fill a box in a grey room are clothes."""
    shown = picture(ROOM)
    shown[:, :100] = TISSUE
    assert believed(shown, (0.0, 0.0, 100.0, 100.0, 0.8, Thing.PERSON)) == [Thing.PERSON]
    assert believed(picture(ROOM), LARGE) == [Thing.PERSON]


def test_a_box_that_does_not_look_like_tissue_counts_in_any_picture() -> None:
    """V-01: a person in grey before a red wall."""
    shown = picture()
    shown[:, :40] = ROOM
    assert believed(shown, (0.0, 0.0, 45.0, 100.0, 0.8, Thing.PERSON)) == [Thing.PERSON]


def test_nothing_is_doubted_where_nobody_large_is_seen() -> None:
    """V-01: the face detector is asked only when there is something to doubt."""
    faces = _Sees(Role.FACE, ())
    NobodyInside(_Sees(Role.PERSON_VEHICLE, (SMALL, TRUCK)), faces).detect([picture()], [0])
    assert faces.asked == 0
