"""V-07: what cosmetic effects do to a region, in every format and at every size, and that nothing else changes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opendrape.domain.mask_rule import SMALLEST_COSMETIC_PIXELS, ClassLook, Effect, MaskRule, Shape
from opendrape.domain.things import Thing
from opendrape.media.reader import Picture
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.effects import cell_grid, cell_tones, repainted
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array, plane_array
from opendrape_masker.engine.regions import PixelRect, Target, inside_of, part_of
from tests.fakes.frames import facts, picture

COSMETIC = [effect for effect in Effect if effect.is_cosmetic]
FORMATS = ["gray", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"]
BOXES = [Box(10.4, 11.2, 50.9, 41.1), Box(-30, -30, 47, 45), Box(120, 60, 400, 400)]


def depth(pixel_format: str) -> int:
    return 10 if "10" in pixel_format else 8


def planes_of(shown: Picture) -> list[Array]:
    return [plane_array(plane).copy() for plane in shown.planes[:3]]


def scene(width: int, height: int, pixel_format: str = "yuv420p", *, seed: int = 7) -> Picture:
    """Patches of a tenth of the picture with noise on them: structure at every scale."""
    shown = picture(width, height, pixel_format, seed=seed)
    random = np.random.default_rng(seed)
    for plane in shown.writable_planes()[:3]:
        patches = random.integers(30, 210, (10, 10)).repeat(plane.height // 10 + 1, 0).repeat(plane.width // 10 + 1, 1)
        noise = random.integers(0, 20, (plane.height, plane.width))
        values = (patches[: plane.height, : plane.width] + noise) << (depth(pixel_format) - 8)
        plane_array(plane)[...] = values
    return shown


@pytest.mark.parametrize(("pixel_format", "effect", "shape"), list(product(FORMATS, COSMETIC, Shape)))
def test_the_region_changes_and_nothing_else_does(pixel_format: str, effect: Effect, shape: Shape) -> None:
    """V-07, V-10: on every plane, at 8 and 10 bit, at the borders too."""
    for box in BOXES:
        shown = scene(160, 96, pixel_format)
        before = planes_of(shown)
        painter = Painter.of(MaskRule(effect=effect, shape=shape), facts(bit_depth=depth(pixel_format)))
        (rect,) = painter.rectangles([Target(box, "face")])
        (done,) = painter.paint(shown, [rect])
        assert not done.rect.must_be_solid
        for old, new in zip(before, planes_of(shown), strict=True):
            inside = np.zeros(old.shape, bool)
            part = part_of(inside, rect, painter.size)
            covered = inside_of(shape, part)
            part[...] = True if covered is None else covered
            assert (new[~inside] == old[~inside]).all()
            assert (new[inside] != old[inside]).mean() > 0.7


@pytest.mark.parametrize("effect", [Effect.GRAY_BLUR, Effect.NORMALISED_GRAY_BLUR])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le"])
def test_gray_effects_leave_no_colour(effect: Effect, pixel_format: str) -> None:
    """V-07: chroma is neutral."""
    shown = scene(160, 96, pixel_format)
    painter = Painter.of(MaskRule(effect=effect), facts(bit_depth=depth(pixel_format)))
    rect = PixelRect(20, 20, 80, 70)
    painter.paint(shown, [rect])
    for plane in planes_of(shown)[1:]:
        assert (part_of(plane, rect, painter.size) == 128 * painter.unit).all()


@pytest.mark.parametrize("unit", [1, 4])
def test_a_normalised_region_has_the_same_brightness_and_contrast_whatever_was_there(unit: int) -> None:
    """V-07: dark or bright, weak or strong."""
    grid = (2, 3)
    kind = np.uint8 if unit == 1 else np.uint16
    ramp = np.linspace(0, 1, 40 * 60).reshape(40, 60)
    for low, high in ((20, 40), (30, 230), (200, 220)):
        part = ((low + ramp * (high - low)) * unit).astype(kind)
        new = repainted(part, None, Effect.NORMALISED_GRAY_BLUR, grid=grid, number=0, unit=unit)
        assert (int(new.min()), int(new.max())) == (64 * unit, 192 * unit)
    flat = repainted(
        np.full((40, 60), 9 * unit, kind), None, Effect.NORMALISED_GRAY_BLUR, grid=grid, number=0, unit=unit
    )
    assert (flat == 128 * unit).all()


@pytest.mark.parametrize(("effect", "shape"), list(product(COSMETIC, Shape)))
def test_what_lies_outside_is_neither_needed_nor_touched(effect: Effect, shape: Shape) -> None:
    """V-07: the same region in other surroundings looks the same; an ellipse's corners are surroundings too."""
    rect = PixelRect(31, 20, 90, 71, "face")
    painter = Painter.of(MaskRule(effect=effect, shape=shape), facts())
    results = []
    for seed in (1, 2):
        shown = scene(160, 96, seed=seed)
        for plane, same in zip(shown.writable_planes(), planes_of(scene(160, 96, seed=9)), strict=True):
            part = part_of(plane_array(plane), rect, painter.size)
            inside = inside_of(shape, part)
            covered = slice(None) if inside is None else inside
            part[covered] = part_of(same, rect, painter.size)[covered]
        painter.paint(shown, [rect])
        parts = [part_of(plane, rect, painter.size) for plane in planes_of(shown)]
        results.append([p if (i := inside_of(shape, p)) is None else p[i] for p in parts])
    assert all((one == other).all() for one, other in zip(*results, strict=True))


@settings(max_examples=40)
@given(st.permutations(range(24)), st.sampled_from(COSMETIC))
def test_where_the_tones_were_makes_no_difference(order: list[int], effect: Effect) -> None:
    """V-07: rearrange the cells of a region in any way and it is painted the same: no place can be computed back."""
    cells = np.random.default_rng(3).integers(20, 230, (24, 8, 8)).astype(np.uint8)

    def tiled(numbers: list[int]) -> Array:
        return cells[numbers].reshape(4, 6, 8, 8).swapaxes(1, 2).reshape(32, 48)

    plain, mixed = (
        repainted(tiled(numbers), None, effect, grid=(4, 6), number=0, unit=1) for numbers in (list(range(24)), order)
    )
    assert (plain == mixed).all()


def test_pixels_of_a_cell_are_of_one_tone_and_a_blur_has_no_edges() -> None:
    """V-07: what the two families look like."""
    part = np.random.default_rng(5).integers(0, 255, (60, 90)).astype(np.uint8)
    mosaic = repainted(part, None, Effect.PIXELATE, grid=(2, 3), number=0, unit=1)
    assert all(len(np.unique(mosaic[y : y + 30, x : x + 30])) == 1 for y in (0, 30) for x in (0, 30, 60))
    soft = repainted(part, None, Effect.BLUR, grid=(2, 3), number=0, unit=1).astype(int)
    assert max(np.abs(np.diff(soft, axis=axis)).max() for axis in (0, 1)) <= 4


@given(st.integers(32, 4000), st.integers(32, 4000), st.integers(1, 2))
def test_cells_are_as_large_as_the_strength_asks(width: int, height: int, across: int) -> None:
    """V-07: relative to the region, at every size and shape."""
    rows, columns = cell_grid(width, height, across)
    assert min(rows, columns) == across
    assert min(height / rows, width / columns) >= min(width, height) / across * 0.999


def test_tones_of_an_ellipse_are_those_of_its_inside() -> None:
    """V-07: a bright corner does not shine in."""
    part = np.full((40, 40), 100, np.uint8)
    inside = inside_of(Shape.ELLIPSE, part)
    assert inside is not None
    part[~inside] = 255
    assert np.nanmax(np.abs(cell_tones(part, inside, (4, 4)) - 100)) < 0.01


SIZES = [(32, 32), (150, 100), (320, 240), (1280, 720), (3840, 2160)]


@pytest.mark.parametrize(("size", "effect"), list(product(SIZES, COSMETIC)))
def test_every_effect_changes_every_region_at_every_picture_size(size: tuple[int, int], effect: Effect) -> None:
    """V-07: a picture of 150 pixels included, where the predecessor changed nothing; from one pixel to nearly all."""
    width, height = size
    sides = {1, 2, 7, 31, 32, 33, height - 1} if height < 1000 else {1, 32, height // 2}
    painter = Painter.of(MaskRule(effect=effect, dilate_pixels=0), facts(width, height))
    for side in sorted(side for side in sides if side < height):
        shown = scene(width, height)
        before = planes_of(shown)
        rects = painter.rectangles([Target(Box(3, 1, min(width, 3 + side), min(height, 1 + side)), "text")])
        painter.paint(shown, rects)
        old, new = (part_of(planes[0], rects[0], painter.size) for planes in (before, planes_of(shown)))
        assert (old != new).mean() > 0.7, side
        is_solid = painter.coat_of(rects[0]).effect is Effect.SOLID
        assert is_solid is (min(rects[0].x1 - rects[0].x0, rects[0].y1 - rects[0].y0) < SMALLEST_COSMETIC_PIXELS)


@pytest.mark.parametrize("was", ["even", "painted before"])
def test_what_an_effect_would_hardly_change_is_painted_solid(was: str) -> None:
    """V-16: what is left open must be provably different; the evidence says that it is solid."""
    painter = Painter.of(MaskRule(effect=Effect.PIXELATE), facts())
    rect = PixelRect(20, 20, 80, 70, "face")
    shown = scene(160, 96)
    if was == "even":
        for plane in shown.writable_planes():
            plane_array(plane)[...] = 120
    else:
        assert not painter.paint(shown, [rect])[0].rect.must_be_solid
    (done,) = painter.paint(shown, [rect])
    assert done.rect.must_be_solid
    assert (part_of(planes_of(shown)[0], rect, painter.size) == 16).all()
    assert painter.hidden([done.rect]) == [rect.box]


def test_the_second_look_is_told_of_solid_regions_only() -> None:
    """V-15: a face that shows through a blur is a finding, not a mask's rim."""
    painter = Painter.of(MaskRule(effect=Effect.BLUR), facts())
    assert painter.hidden([PixelRect(20, 20, 80, 70, "face")]) == []
    assert painter.hidden([PixelRect(20, 20, 30, 30, "face")]) == [Box(20, 20, 30, 30)]


def test_each_class_has_its_own_colour_effect_and_shape() -> None:
    """V-07: the predecessor's colours by class, and more."""
    classes = {
        Thing.PERSON: ClassLook(colour_rgb=(255, 255, 255)),
        Thing.FACE: ClassLook(shape=Shape.ELLIPSE),
        Thing.CAR: ClassLook(effect=Effect.PIXELATE),
    }
    painter = Painter.of(MaskRule(classes=classes), facts())
    shown = scene(160, 96)
    targets = [Target(Box(4 + 40 * n, 20, 34 + 40 * n, 60), label) for n, label in enumerate(("person", "face", "car"))]
    painter.paint(shown, painter.rectangles(targets))
    luma = planes_of(shown)[0]
    assert (luma[30:50, 8:30] == 235).all()
    assert luma[40, 60] == 16
    assert luma[21, 45] != 16
    assert len(np.unique(luma[22:38, 86:98])) == 1


def test_a_smaller_region_inside_another_keeps_its_colour_and_solid_comes_last() -> None:
    """V-07: nothing is smeared over solid colour, and nothing is painted that another hides anyway."""
    white = ClassLook(colour_rgb=(255, 255, 255))
    targets = [Target(Box(30, 30, 50, 50), "face"), Target(Box(10, 10, 90, 90), "person")]
    coloured = Painter.of(MaskRule(classes={Thing.PERSON: white}), facts())
    assert [rect.label for rect in coloured.rectangles(targets)] == ["person", "face"]
    blurred = Painter.of(MaskRule(classes={Thing.PERSON: ClassLook(effect=Effect.BLUR)}), facts())
    assert [rect.label for rect in blurred.rectangles(targets)] == ["person", "face"]
    inner = Painter.of(MaskRule(classes={Thing.FACE: ClassLook(effect=Effect.BLUR)}), facts())
    assert [rect.label for rect in inner.rectangles(targets)] == ["person"]
    apart = [Target(Box(30, 30, 60, 60), "face"), Target(Box(10, 10, 40, 40), "person")]
    assert [rect.label for rect in inner.rectangles(apart)] == ["face", "person"]


def test_text_stays_a_box_where_faces_are_ellipses() -> None:
    """V-07: letters reach into the corners that an ellipse leaves open."""
    rule = MaskRule(shape=Shape.ELLIPSE)
    assert {label: rule.look_of(label).shape for label in ("face", "head", "text", "person", "marked")} == {
        "face": Shape.ELLIPSE,
        "head": Shape.ELLIPSE,
        "text": Shape.BOX,
        "person": Shape.BOX,
        "marked": Shape.BOX,
    }
    for thing in (Thing.TEXT, Thing.PERSON):
        with pytest.raises(ValueError, match=f"corners of {thing}"):
            MaskRule(classes={thing: ClassLook(shape=Shape.ELLIPSE)})
