"""V-05: the built-in heuristic says how surely a picture is outside; a site's own classifier is asked first."""

from __future__ import annotations

import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.out_of_body import (
    BuiltInOutOfBody,
    decode_whole_picture,
    out_of_body_score,
    scene_shares,
)
from opendrape_masker.synthetic.picture import Canvas
from opendrape_masker.synthetic.tissue import Tissue

SIZE = (180, 320)


def plain(blue: int, green: int, red: int) -> np.ndarray:
    return np.full((*SIZE, 3), (blue, green, red), np.uint8)


def score(picture: np.ndarray) -> float:
    return out_of_body_score(scene_shares(picture))


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("wall", (200, 200, 200)),
        ("drape", (120, 150, 60)),
        ("blue coat", (160, 90, 50)),
        ("lamp-lit wall", (120, 180, 188)),
    ],
)
def test_the_colours_of_a_room_are_outside(name: str, colour: tuple[int, int, int]) -> None:
    """V-05: certain, by colour alone."""
    assert score(plain(*colour)) > 0.9, name


def test_the_colours_of_tissue_are_inside() -> None:
    """V-05."""
    assert score(plain(60, 70, 170)) < 0.1


def test_the_black_border_of_a_round_picture_does_not_count() -> None:
    """V-05: the border is neither tissue nor room; only what the endoscope shows is judged."""
    picture = plain(60, 70, 170)
    picture[:, :120] = picture[:, -120:] = 0
    assert score(picture) < 0.1
    room = plain(200, 200, 200)
    room[:, :120] = room[:, -120:] = 0
    assert score(room) > 0.9


def test_fine_detail_speaks_for_a_room_even_in_warm_light() -> None:
    """V-05."""
    picture = plain(60, 70, 170)
    picture[::4, :] //= 3
    assert score(picture) > score(plain(60, 70, 170)) + 0.3


def test_a_dark_picture_is_undecided() -> None:
    """V-05: nobody can tell, so it is uncertain, never inside."""
    assert score(plain(0, 0, 0)) == 0.5
    assert score(plain(5, 5, 30)) == 0.5


def test_synthetic_tissue_is_inside() -> None:
    """V-05: the background of our own samples is meant to look like tissue."""
    canvas = Tissue.grown(320, 180, seed=3).canvas(0, 0.0)
    assert score(as_bgr(canvas)) < 0.3


def test_it_reports_the_whole_picture_or_nothing() -> None:
    """V-05: one box, so that strong, weak, bridge and hold of the rule make the hysteresis."""
    detector = BuiltInOutOfBody(floor_score=0.3)
    (hit,), none = detector.detect([plain(200, 200, 200), plain(60, 70, 170)], [7, 8])
    assert (hit.frame, hit.role, hit.thing) == (7, Role.OUT_OF_BODY, Thing.OUT_OF_BODY)
    assert (hit.x0, hit.y0, hit.x1, hit.y1) == (0, 0, 320, 180)
    assert 0 < hit.score < 1
    assert none == []
    assert len(detector.model.sha256) == 64


def test_a_sites_classifier_answers_with_the_whole_picture() -> None:
    """V-05, V-17: decoder whole-picture."""
    rows = decode_whole_picture({"score": np.array([[0.9], [0.1]], np.float32)}, (64, 96), 0.3)
    assert rows[0].tolist() == [[0, 0, 96, 64, pytest.approx(0.9)]]
    assert rows[1].shape == (0, 5)


def as_bgr(canvas: Canvas) -> np.ndarray:
    import cv2

    blue, red = (cv2.resize(plane, (320, 180)) for plane in (canvas.blue, canvas.red))
    return np.asarray(cv2.cvtColor(cv2.merge((canvas.luma, red, blue)), cv2.COLOR_YCrCb2BGR))
