"""Do raw tensors of many-class networks become the right things? Every expected number is worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import Boxes, Classes
from opendrape_masker.detectors.things import decode_nanodet, decode_ssd, decode_yolox
from opendrape_masker.inference.session import Tensors

SIZE = (64, 96)
CLASSES: Classes = {Thing.PERSON: [0], Thing.CAR: [2], Thing.TRUCK: [4], Thing.SCREEN: [1, 3]}
PERSON, CAR, TRUCK, SCREEN = range(4)
CELLS = {stride: (SIZE[0] // stride) * (SIZE[1] // stride) for stride in (8, 16, 32)}


def _yolox(pictures: int = 1) -> Tensors:
    return {"boxes": np.zeros((pictures, sum(CELLS.values()), 5 + 5), np.float32)}


def _put(tensors: Tensors, place: int, *, column: int, score: float, picture: int = 0, at: float = 0.5) -> None:
    tensors["boxes"][picture, place, :5] = (at, 0.25, math.log(2), math.log(3), 0.8)
    tensors["boxes"][picture, place, 5 + column] = score / 0.8


@pytest.mark.parametrize(("stride", "before"), [(8, 0), (16, 96), (32, 96 + 24)])
def test_yolox_things_of_every_stride_stand_where_their_cells_say(stride: int, before: int) -> None:
    """V-17: levels follow each other, row by row; centre from the cell's corner; score is object times class."""
    tensors = _yolox()
    _put(tensors, before + SIZE[1] // stride + 2, column=0, score=0.6)
    [[row]] = decode_yolox(tensors, SIZE, 0.5, CLASSES)
    x, y = 2.5 * stride, 1.25 * stride
    np.testing.assert_allclose(row, [x - stride, y - 1.5 * stride, x + stride, y + 1.5 * stride, 0.6, 0], rtol=1e-5)


def test_a_class_that_nobody_asked_for_is_not_read_and_the_floor_is_inclusive() -> None:
    """V-17: only the columns in the lock count; several columns may be one thing."""
    tensors = _yolox()
    _put(tensors, 3, column=3, score=0.5)
    assert decode_yolox(tensors, SIZE, 0.4, {Thing.PERSON: [0]})[0].shape == (0, 6)
    [[row]] = decode_yolox(tensors, SIZE, 0.49, CLASSES)
    assert (round(float(row[4]), 3), int(row[5])) == (0.5, SCREEN)
    assert decode_yolox(tensors, SIZE, 0.51, CLASSES)[0].shape == (0, 6)


def _kinds(rows: Boxes) -> list[int]:
    return [int(row[5]) for row in rows]


def test_vehicles_suppress_each_other_and_never_a_person() -> None:
    """V-01: one car is not also a truck, but somebody on it stays."""
    tensors = _yolox()
    _put(tensors, 0, column=2, score=0.7)
    tensors["boxes"][0, 0, 5 + 4] = 0.6 / 0.8
    tensors["boxes"][0, 0, 5 + 0] = 0.5 / 0.8
    [rows] = decode_yolox(tensors, SIZE, 0.2, CLASSES)
    assert _kinds(rows) == [CAR, PERSON]
    assert rows[:, 4].tolist() == pytest.approx([0.7, 0.5])


def test_two_people_side_by_side_stay_two() -> None:
    """V-17: only boxes that overlap by more than 0.6 are one thing; pictures of a batch do not mix."""
    tensors = _yolox(pictures=2)
    _put(tensors, 0, column=0, score=0.7, picture=1)
    _put(tensors, 1, column=0, score=0.6, picture=1)
    _put(tensors, 2, column=0, score=0.5, picture=1, at=-0.4)
    first, second = decode_yolox(tensors, SIZE, 0.2, CLASSES)
    assert len(first) == 0
    assert second[:, 4].tolist() == pytest.approx([0.7, 0.6])


def _nanodet(pictures: int = 1) -> Tensors:
    tensors: Tensors = {}
    for stride, cells in CELLS.items():
        tensors[f"scores_{stride}"] = np.zeros((pictures, cells, 5), np.float32)
        tensors[f"sides_{stride}"] = np.zeros((pictures, cells, 32), np.float32)
    return tensors


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_nanodet_sides_are_the_mean_of_their_bins_from_the_middle_of_the_cell(stride: int) -> None:
    """V-17: left, top, right, bottom; bins count from 0 in strides; equal logits mean three and a half."""
    tensors = _nanodet()
    place = SIZE[1] // stride + 1
    tensors[f"scores_{stride}"][0, place, 2] = 0.55
    sides = tensors[f"sides_{stride}"][0, place].reshape(4, 8)
    for side, reach in enumerate((1, 2, 7)):
        sides[side, reach] = 40.0
    [[row]] = decode_nanodet(tensors, SIZE, 0.5, CLASSES)
    x = y = 1.5 * stride
    expected = [x - stride, y - 2 * stride, x + 7 * stride, y + 3.5 * stride, 0.55, CAR]
    np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_shares_of_the_picture_become_pixels() -> None:
    """V-17: single-shot boxes are normalised: width first, then height; class 0 is background."""
    tensors: Tensors = {
        "boxes": np.array([[[0.25, 0.5, 0.5, 0.75], [0, 0, 1, 1]]], np.float32),
        "scores": np.array([[[0.1, 0.1, 0.8], [0.9, 0.06, 0.04]]], np.float32),
    }
    [[row]] = decode_ssd(tensors, (100, 200), 0.3, {Thing.PLATE: [2]})
    np.testing.assert_allclose(row, [50, 50, 100, 75, 0.8, 0], rtol=1e-6)


def test_an_absurd_size_stays_a_number() -> None:
    """V-17: fail closed: the largest box, not infinity."""
    tensors = _yolox()
    _put(tensors, 0, column=0, score=0.7)
    tensors["boxes"][0, 0, 2:4] = 500
    assert np.isfinite(decode_yolox(tensors, SIZE, 0.2, CLASSES)[0]).all()
