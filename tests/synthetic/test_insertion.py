"""V-02, V-15: what the self-test inserts lies exactly where its truth says, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from opendrape_masker.synthetic.appearance import Appearance, Course, Look, Place, Style
from opendrape_masker.synthetic.casting import Stage, cast
from opendrape_masker.synthetic.insertion import Grain, Inserter
from opendrape_masker.synthetic.picture import Array, Canvas
from opendrape_masker.synthetic.portraits import Cutout, Gallery, installed_photographs
from opendrape_masker.synthetic.tissue import Tissue
from opendrape_masker.synthetic.truth import TrueBox

WIDTH, HEIGHT = 640, 360
FACE = Appearance(
    "face-000", "face", "astronaut", "front", "still", 0, 10, Place(200, 150, 80), Place(260, 180, 80)
)  # fmt: skip
TEXT = Appearance("text-001", "text", "ID 471193", "plain", "still", 0, 10, Place(300, 200, 24), Place(300, 200, 24))


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery(installed_photographs())


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return Tissue.grown(WIDTH, HEIGHT, seed=1)


def changed(before: Canvas, after: Canvas) -> Array:
    moved: Array = np.abs(before.luma.astype(int) - after.luma) > 0
    return moved


@pytest.mark.parametrize("look", [look for look in Look if look is not Look.PROFILE])
def test_a_face_changes_pixels_only_within_its_reach_and_fills_its_box(
    look: Look, gallery: Gallery, tissue: Tissue
) -> None:
    """The box is the face: nearly every pixel in it is new, whatever it wears; nothing changes outside the reach."""
    one = replace(FACE, look=str(look), angle=25 if look is Look.TILTED else 0, gain=0.5 if look is Look.DARK else 1.0)
    for frame in (0, 4, 9):
        before, after = tissue.canvas(frame, 0.0), tissue.canvas(frame, 0.0)
        box = Inserter(gallery, Grain(), 1).draw(after, one, frame)
        assert box is not None
        moved = changed(before, after)
        x0, y0, x1, y1 = box.reach
        assert not moved[:y0].any()
        assert not moved[y1:].any()
        assert not moved[:, :x0].any()
        assert not moved[:, x1:].any()
        left, top, right, bottom = (round(edge) for edge in box.box)
        assert moved[top:bottom, left:right].mean() > 0.9
        assert box.visible == 1.0


def white_face() -> Gallery:
    """A person whose face is a white oval that fills its box exactly, before black."""
    rgb = np.zeros((240, 240, 3), np.uint8)
    cv2.ellipse(rgb, (120, 110), (40, 60), 0, 0, 360, (255, 255, 255), -1)
    face = (79.5, 49.5, 161.5, 171.5)
    return Gallery({"oval": Cutout(rgb, np.ones((240, 240), np.float32), face, True)})


def drawn_oval(one: Appearance, frame: int) -> tuple[TrueBox, Array]:
    """The truth, and which pixels are more white than black."""
    planes = [np.full((rows, columns), 16, np.uint8) for rows, columns in ((HEIGHT, WIDTH), (180, 320), (180, 320))]
    canvas = Canvas(*planes)
    box = Inserter(white_face(), Grain(0.0, 0.0), 1).draw(canvas, one, frame)
    assert box is not None
    return box, canvas.luma


@pytest.mark.parametrize(
    ("angle", "squeeze", "tall"), [(0, 1, 100), (0, 0.7, 64), (25, 1, 100), (-25, 0.7, 90), (0, 1, 24)]
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_truth_is_exact_to_a_pixel(angle: float, squeeze: float, tall: float, mirrored: bool) -> None:
    """What is drawn of the face ends where its box ends, on all four sides, turned, narrowed, mirrored or shrunk."""
    place = Place(300.3, 170.6, tall)
    one = replace(FACE, what="oval", first=place, last=place, angle=angle, squeeze=squeeze, gain=1.0, mirrored=mirrored)
    box, luma = drawn_oval(one, 3)
    rows, columns = np.nonzero(luma > 125)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert edges == pytest.approx(box.box, abs=1.6 if angle else 1.1)


@pytest.mark.parametrize("frame", [0, 1, 4])
def test_a_fast_face_is_smeared_evenly_around_its_box(frame: int) -> None:
    """Motion blur: the truth is the middle of the exposure, on the first and last frames too."""
    one = replace(FACE, what="oval", start=0, end=5, first=Place(200, 180, 80), last=Place(360, 200, 80), gain=1.0)
    box, luma = drawn_oval(one, frame)
    light = luma.astype(float) - 16
    x, y = (float((light * np.arange(size).reshape(shape)).sum() / light.sum()) + 0.5
            for size, shape in ((WIDTH, (1, -1)), (HEIGHT, (-1, 1))))  # fmt: skip
    assert (x, y) == pytest.approx(((box.box[0] + box.box[2]) / 2, (box.box[1] + box.box[3]) / 2), abs=0.6)
    smeared = np.nonzero((luma > 30).any(axis=0))[0]
    assert smeared[-1] + 1 - smeared[0] == pytest.approx(box.box[2] - box.box[0] + 0.5 * 40, abs=4)


def test_half_outside_is_said_to_be_half_visible(gallery: Gallery, tissue: Tissue) -> None:
    """V-02: entering and leaving are part of the truth; gone is gone."""
    inserter = Inserter(gallery, Grain(), 1)
    half = inserter.draw(tissue.canvas(0, 0.0), replace(FACE, first=Place(0, 150, 80), last=Place(0, 150, 80)), 0)
    assert half is not None
    assert half.visible == pytest.approx(0.5, abs=0.01)
    assert half.box[0] == 0.0
    away = replace(FACE, first=Place(-200, 150, 80), last=Place(-200, 150, 80))
    assert inserter.draw(tissue.canvas(0, 0.0), away, 0) is None


@pytest.mark.parametrize("style", list(Style))
def test_text_boxes_hold_every_letter_and_nothing_else(style: Style, gallery: Gallery, tissue: Tissue) -> None:
    """Letters touch all four sides of the box; outside it only a label's or an outline's ground changes."""
    before, after = tissue.canvas(0, 0.0), tissue.canvas(0, 0.0)
    box = Inserter(gallery, Grain(), 1).draw(after, replace(TEXT, look=str(style)), 0)
    assert box is not None
    moved = changed(before, after)
    x0, y0, x1, y1 = (int(edge) for edge in box.box)
    reach = box.reach
    moved_outside = moved.copy()
    moved_outside[reach[1] : reach[3], reach[0] : reach[2]] = False
    assert not moved_outside.any()
    if style not in {Style.OUTLINED, Style.ON_LABEL}:
        rows, columns = np.nonzero(np.abs(before.luma.astype(int) - after.luma) > 12)
        assert (columns.min(), columns.max() + 1) == (pytest.approx(x0, abs=1), pytest.approx(x1, abs=1))
        assert (rows.min(), rows.max() + 1) == (pytest.approx(y0, abs=1), pytest.approx(y1, abs=1))
    assert y1 - y0 == pytest.approx(24, abs=4)


def test_the_same_seed_casts_the_same_and_every_class_gets_its_turn(gallery: Gallery) -> None:
    """A suite that changes by itself cannot show a regression."""
    stage = Stage(1280, 720, 1800, 30.0)
    suite = cast(stage, gallery, events=90, seed=3)
    assert suite == cast(stage, gallery, events=90, seed=3)
    assert suite != cast(stage, gallery, events=90, seed=4)
    faces = [one for one in suite if one.kind == "face"]
    assert {one.look for one in faces} == {str(look) for look in Look}
    assert {one.course for one in suite} == {str(course) for course in Course}
    assert {one.size_class() for one in faces} == {"12-20", "20-32", "32-64", "64-128", "128-320"}
    assert {one.look for one in suite if one.kind == "text"} == {str(style) for style in Style}
    assert min(one.end - one.start for one in faces) <= 5


def test_events_never_lie_on_one_another(gallery: Gallery) -> None:
    """A face under another's mask would be covered by luck."""
    suite = cast(Stage(1280, 720, 900, 30.0), gallery, events=60, seed=5)
    for number, one in enumerate(suite):
        for other in suite[:number]:
            for frame in range(max(one.start, other.start), min(one.end, other.end)):
                a, b = one.at(frame), other.at(frame)
                if one.kind == other.kind == "face":
                    apart = max(abs(a.x - b.x), abs(a.y - b.y))
                    assert apart > (a.tall + b.tall) * 0.9


def test_grain_measures_the_noise_and_the_blur_of_a_picture() -> None:
    """An insert that is cleaner or sharper than its clip would be easier or harder to find."""
    random, steps = np.random.default_rng(1), np.zeros((240, 320), np.float32)
    for column in range(0, 320, 40):
        steps[:, column : column + 20] = 120
    noisy = np.clip(steps + 60 + random.normal(0, 3.0, steps.shape), 0, 255).astype(np.uint8)
    assert Grain.of(noisy).noise == pytest.approx(3.0, abs=0.8)
    soft = (cv2.GaussianBlur(steps, (0, 0), 1.2) + 60).astype(np.uint8)
    assert Grain.of(soft).blur == pytest.approx(1.2, abs=0.3)
    assert Grain.of((steps + 60).astype(np.uint8)).blur < 0.9
