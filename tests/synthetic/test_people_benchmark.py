"""Do the figures about people, vehicles and plates count what they say they count?"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from benchmarks.plates import plated
from benchmarks.things_truth import Annotated, Truth, annotated_pictures, false_alarms, judged

from opendrape.domain.things import Thing
from opendrape_masker.engine.boxes import Box

PERSON = Truth(Box(10, 10, 30, 50), Thing.PERSON, 0.02)
CAR = Truth(Box(50, 10, 110, 50), Thing.CAR, 0.002)


def test_annotations_become_boxes_of_our_things_only(tmp_path: Path) -> None:
    """V-01: normalised centre and sides; classes that are nothing of ours are left out."""
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((100, 200, 3), np.uint8))
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n25 0.1 0.1 0.1 0.1\n63 0.25 0.5 0.1 0.1\n")
    [one] = annotated_pictures(tmp_path)
    assert [truth.thing for truth in one.truths] == [Thing.PERSON, Thing.SCREEN]
    np.testing.assert_allclose(one.truths[0].box.corners, (80, 30, 120, 70))


def test_a_person_under_the_mask_of_a_car_is_not_found() -> None:
    """V-01: every group is judged by its own masks; several masks count by their union."""
    masks = [(PERSON.box, Thing.TRUCK), (Box(50, 10, 80, 50), Thing.CAR), (Box(80, 10, 110, 50), Thing.BUS)]
    found = {(verdict.group, verdict.large): verdict.hidden for verdict in judged([PERSON, CAR], masks)}
    assert found == {("person", True): 0.0, ("vehicle", False): 1.0}


def test_a_false_alarm_lies_on_nothing_of_its_group() -> None:
    """V-01: parts of a person and boxes around one are no false alarms."""
    masks = [(Box(10, 10, 30, 25), Thing.PERSON), (Box(0, 0, 60, 80), Thing.PERSON), (CAR.box, Thing.PERSON)]
    assert false_alarms([PERSON, CAR], masks, "person") == 1
    assert false_alarms([PERSON, CAR], masks, "vehicle") == 0


def test_plates_are_where_they_are_said_to_be_and_the_same_every_time() -> None:
    """V-01: on vehicles that are large enough, never in the picture that was given."""
    picture = np.full((120, 160, 3), 90, np.uint8)
    given = Annotated(picture, (CAR, Truth(Box(0, 0, 30, 30), Thing.CAR, 0.01), PERSON))
    [first], [again] = list(plated([given])), list(plated([given]))
    assert first.plates == again.plates
    [plate] = first.plates
    assert CAR.box.x0 <= plate.x0 < plate.x1 <= CAR.box.x1
    changed = np.argwhere((first.picture != picture).any(axis=2))
    assert tuple(changed.min(axis=0)) >= (plate.y0, plate.x0)
    assert (picture == 90).all()
    assert changed.shape[0] > 0.5 * plate.area
