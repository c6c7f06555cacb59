"""V-07, V-16: a region becomes solid on every plane, whatever the format, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.mask_rule import MaskRule, Shape
from opendrape.domain.media_info import ColourTags
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.evidence import EvidenceWriter, lattice_outside, lattice_samples, read_evidence
from opendrape_masker.engine.paint import Painter, yuv_fill
from opendrape_masker.engine.pictures import Orientation, View, plane_array
from opendrape_masker.engine.regions import Painted, PixelRect, Target
from tests.fakes.frames import facts, picture

QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
MIRRORED = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("box", [Box(10.4, 11.2, 50.9, 41.1), Box(-30, -30, 7, 5), Box(150, 90, 400, 400)])
def test_every_sample_a_region_touches_is_filled_and_no_other(pixel_format: str, box: Box) -> None:
    """V-07: also when chroma samples are only partly inside."""
    shown = picture(pixel_format=pixel_format)
    before = [plane_array(plane).copy() for plane in shown.planes]
    painter = Painter.of(MaskRule(dilate_pixels=2), facts(bit_depth=10 if "10" in pixel_format else 8))
    (rect,) = painter.rectangles([Target(box, "face")])
    painter.paint(shown, [rect])
    for plane, old, value in zip(shown.planes, before, painter.coat_of(rect).fill, strict=True):
        samples = plane_array(plane)
        across, down = 160 / plane.width, 96 / plane.height
        ys, xs = np.mgrid[0 : plane.height, 0 : plane.width]
        touched = (xs * across < rect.x1) & ((xs + 1) * across > rect.x0)
        touched &= (ys * down < rect.y1) & ((ys + 1) * down > rect.y0)
        assert (samples[touched] == value).all()
        assert (samples[~touched] == old[~touched]).all()


def test_a_picture_without_regions_is_left_alone() -> None:
    """V-10: untouched pictures are not even copied."""
    shown = picture()
    before = [plane_array(plane).copy() for plane in shown.planes]
    Painter.of(MaskRule(), facts()).paint(shown, [])
    assert all((plane_array(p) == old).all() for p, old in zip(shown.planes, before, strict=True))


@pytest.mark.parametrize(
    ("rgb", "changes", "expected"),
    [
        ((0, 0, 0), {}, (16, 128, 128)),
        ((255, 255, 255), {}, (235, 128, 128)),
        ((0, 0, 0), {"colour": ColourTags(full_range=True)}, (0, 128, 128)),
        ((0, 0, 0), {"bit_depth": 10}, (64, 512, 512)),
        ((255, 0, 0), {"colour": ColourTags(matrix=1)}, (63, 102, 240)),
    ],
)
def test_the_fill_colour_follows_range_depth_and_matrix(
    rgb: tuple[int, int, int], changes: dict[str, object], expected: tuple[int, int, int]
) -> None:
    """V-07: black is black in every video (values of ITU-R BT.601 and BT.709)."""
    assert yuv_fill(rgb, facts(**changes)) == expected


def test_an_ellipse_covers_its_centre_and_spares_the_corners() -> None:
    """V-07: the other shape."""
    shown = picture()
    painter = Painter.of(MaskRule(shape=Shape.ELLIPSE, dilate_pixels=0), facts())
    corner = plane_array(shown.planes[0])[20, 20]
    painter.paint(shown, [PixelRect(20, 20, 60, 60, "face")])
    luma = plane_array(shown.planes[0])
    assert luma[40, 40] == 16
    assert luma[20, 40] == 16
    assert luma[20, 20] == corner


def test_evidence_comes_back_as_it_was_written_and_marks_what_lies_in_a_mask(tmp_path: Path) -> None:
    """V-10: what the written file is held against."""
    rects = [PixelRect(0, 0, 80, 96, "face"), PixelRect(1, 2, 30, 40, "text", True)]
    painted = [Painted(rects[0]), Painted(rects[1], b"what was there", b"what is seen")]
    with EvidenceWriter(tmp_path / "evidence") as evidence:
        for index in range(3):
            evidence.add(picture(index=index, seed=index), painted if index == 1 else [])
    records = list(read_evidence(tmp_path / "evidence"))
    assert [(r.frame, r.tick, list(r.rectangles)) for r in records] == [(0, 0, []), (1, 1, rects), (2, 2, [])]
    assert list(records[1].painted) == painted
    again = picture(index=1, seed=1)
    assert lattice_samples(again, 1).tobytes() == records[1].samples
    outside = lattice_outside(again, 1, rects)
    assert 0.4 < outside.mean() < 0.6
    assert lattice_outside(again, 1, []).all()


@pytest.mark.parametrize(
    "matrix", [None, (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)]
)
def test_a_box_found_on_the_upright_picture_lands_on_the_same_pixels_of_the_stored_one(
    matrix: tuple[int, ...] | None,
) -> None:
    """V-10: rotated and mirrored video is examined upright and painted as stored."""
    shown = picture()
    luma, blue, red = (plane_array(plane) for plane in shown.writable_planes())
    blue[:] = red[:] = 128
    luma[:] = 60
    luma[30:50, 100:140] = 230
    view = View.of(facts(display_matrix=matrix), 160)
    small = view.take(shown)[:, :, 1] > 150
    ys, xs = np.nonzero(small)
    found = view.back(Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    assert (found.x0, found.y0, found.x1, found.y1) == pytest.approx((100, 30, 140, 50), abs=2)


def test_a_quarter_turn_is_read_from_the_matrix() -> None:
    """V-10: ISO 14496-12 matrix of a picture shown a quarter turn clockwise."""
    assert Orientation.of((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)) == Orientation(True, True, False)
    assert Orientation.of((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30)) == Orientation(False, True, True)
