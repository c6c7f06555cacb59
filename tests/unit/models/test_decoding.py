"""Do raw tensors become the right boxes and words? Every expected number is worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opendrape.errors import InferenceFailed
from opendrape_masker.detectors.faces import decode_centerface, decode_yunet
from opendrape_masker.detectors.reading import decode_text_lines
from opendrape_masker.detectors.suppression import intersection_over_union, suppress_overlaps
from opendrape_masker.detectors.text import decode_text
from opendrape_masker.inference.session import Tensors

SIZE = (64, 96)


def _yunet(pictures: int = 1) -> Tensors:
    tensors: Tensors = {}
    for stride in (8, 16, 32):
        cells = (SIZE[0] // stride) * (SIZE[1] // stride)
        for name, depth in (("cls", 1), ("obj", 1), ("bbox", 4)):
            tensors[f"{name}_{stride}"] = np.zeros((pictures, cells, depth), np.float32)
    return tensors


def _yunet_face(tensors: Tensors, picture: int, stride: int, cell: int, score: float) -> None:
    tensors[f"cls_{stride}"][picture, cell] = score
    tensors[f"obj_{stride}"][picture, cell] = score
    tensors[f"bbox_{stride}"][picture, cell] = (0.5, 0.25, math.log(2), math.log(3))


def test_yunet_faces_of_every_stride_stand_where_their_cells_say() -> None:
    """V-17: row by the width in cells, centre from the cell's corner, sides by the exponential, score by the root."""
    for stride in (8, 16, 32):
        tensors = _yunet()
        columns = SIZE[1] // stride
        _yunet_face(tensors, 0, stride, cell=columns + 2, score=0.8)
        [[row]] = decode_yunet(tensors, SIZE, 0.5)
        x, y = 2.5 * stride, 1.25 * stride
        expected = [x - stride, y - 1.5 * stride, x + stride, y + 1.5 * stride, 0.8]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_yunet_scores_are_the_root_of_class_times_object() -> None:
    """V-17: one high factor alone is no face; the floor is inclusive."""
    tensors = _yunet()
    _yunet_face(tensors, 0, 8, cell=0, score=0.9)
    tensors["obj_8"][0, 0] = 0.1
    assert len(decode_yunet(tensors, SIZE, 0.31)[0]) == 0
    assert decode_yunet(tensors, SIZE, 0.29)[0][0, 4] == pytest.approx(0.3)


def test_yunet_pictures_of_a_batch_do_not_mix() -> None:
    """V-17: a face of the second picture is not one of the first."""
    tensors = _yunet(pictures=3)
    _yunet_face(tensors, 1, 16, cell=0, score=0.9)
    assert [len(rows) for rows in decode_yunet(tensors, SIZE, 0.2)] == [0, 1, 0]


def test_an_absurd_size_stays_a_number() -> None:
    """V-17: fail closed: the largest box, not infinity."""
    tensors = _yunet()
    _yunet_face(tensors, 0, 8, cell=0, score=0.9)
    tensors["bbox_8"][0, 0, 2:] = 500
    assert np.isfinite(decode_yunet(tensors, SIZE, 0.2)[0]).all()


def test_centerface_points_become_boxes_with_rows_before_columns() -> None:
    """V-17: stride 4, half a cell to the centre, height and row offset come first."""
    shape = (2, 2, SIZE[0] // 4, SIZE[1] // 4)
    tensors: Tensors = {
        "heatmap": np.zeros((2, 1, *shape[2:]), np.float32),
        "size": np.zeros(shape, np.float32),
        "offset": np.zeros(shape, np.float32),
    }
    tensors["heatmap"][1, 0, 3, 10] = 0.7
    tensors["size"][1, :, 3, 10] = (math.log(8), math.log(4))
    tensors["offset"][1, :, 3, 10] = (0.25, -0.5)
    first, second = decode_centerface(tensors, SIZE, 0.5)
    x, y = (10 - 0.5 + 0.5) * 4, (3 + 0.25 + 0.5) * 4
    assert len(first) == 0
    np.testing.assert_allclose(second, [[x - 8, y - 16, x + 8, y + 16, 0.7]], rtol=1e-5)
    assert len(decode_centerface(tensors, SIZE, 0.71)[1]) == 0


def test_of_overlapping_boxes_the_best_stays() -> None:
    """V-17: greedy, best first; touching boxes are no overlap."""
    boxes = np.array(
        [[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [10, 10, 20, 20, 0.6], [0, 0, 4, 4, 0.4]], dtype=np.float32
    )
    kept = suppress_overlaps(boxes, 0.45)
    assert kept[:, 4].tolist() == pytest.approx([0.9, 0.6, 0.4])
    assert suppress_overlaps(boxes[:0], 0.45).shape == (0, 5)
    one = np.array([0, 0, 2, 2, 1], dtype=np.float32)
    others = np.array([[0, 0, 2, 2, 1], [1, 0, 3, 2, 1], [5, 5, 5, 5, 1]], dtype=np.float32)
    np.testing.assert_allclose(intersection_over_union(one, others), [1, 1 / 3, 0], rtol=1e-6)


def _map(*rectangles: tuple[int, int, int, int, float]) -> Tensors:
    probability = np.full((1, 1, 64, 128), 0.05, np.float32)
    for x0, y0, x1, y1, value in rectangles:
        probability[0, 0, y0:y1, x0:x1] = value
    return {"probability": probability}


def test_text_pixels_become_a_box_that_reaches_beyond_them() -> None:
    """V-04, V-17: sides move out by area * 1.6 / perimeter; the score is the share of its rectangle it fills."""
    [[row]] = decode_text(_map((20, 10, 60, 18, 0.8)), (64, 128), 0.5)
    # joining neighbours widens the pixels by one before the box is taken
    reach = 41 * 9 * 1.6 / (2 * (41 + 9))
    assert row[4] == pytest.approx(0.8)
    np.testing.assert_allclose(row[2:4] - row[:2], [41 + 2 * reach, 9 + 2 * reach], rtol=1e-5)
    assert row[0] <= 20 - reach + 1
    assert row[1] <= 10 - reach + 1
    assert row[2] >= 60 + reach - 1
    assert row[3] >= 18 + reach - 1


def test_two_lines_are_two_boxes_best_first_and_the_floor_holds() -> None:
    """V-04: weak lines stay below a high floor; specks are nothing."""
    tensors = _map((5, 5, 50, 12, 0.4), (5, 40, 90, 48, 0.9), (110, 20, 111, 21, 0.9))
    [rows] = decode_text(tensors, (64, 128), 0.3)
    assert rows[:, 4].tolist() == pytest.approx([0.9, 0.4])
    assert len(decode_text(tensors, (64, 128), 0.5)[0]) == 1
    assert len(decode_text(_map(), (64, 128), 0.3)[0]) == 0


def test_a_patch_that_does_not_fill_its_rectangle_scores_less_than_a_line() -> None:
    """V-04: texture lights up in crooked patches, also at high probability; a slanted line is a line all the same."""
    line, slanted, corner = _map((20, 20, 60, 28, 0.9)), _map(), _map((20, 10, 60, 14, 0.9), (20, 10, 24, 50, 0.9))
    for step in range(40):
        slanted["probability"][0, 0, 10 + step : 18 + step, 20 + step] = 0.9
    scores = [decode_text(tensors, (64, 128), 0.1)[0][0, 4] for tensors in (line, slanted, corner)]
    assert min(scores[:2]) > 0.7
    assert scores[2] < 0.4


def _steps(indices: list[int], classes: int = 5) -> np.ndarray:
    scores = np.zeros((1, len(indices), classes), np.float32)
    scores[0, np.arange(len(indices)), indices] = 1
    return scores


def test_repeated_characters_collapse_unless_something_is_between() -> None:
    """V-17: best path of connectionist temporal classification."""
    alphabet = ("", "a", "b", "c", " ")
    assert decode_text_lines(_steps([1, 1, 0, 1, 2, 2, 4, 3, 0, 0]), alphabet) == ["aab c"]
    assert decode_text_lines(_steps([0, 0]), alphabet) == [""]
    with pytest.raises(InferenceFailed):
        decode_text_lines(_steps([1], classes=6), alphabet)
