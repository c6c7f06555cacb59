"""V-07, V-10, V-15: grey and turned pictures, regions outside, ellipses, memory of the window, sums of reports."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.domain.mask_rule import MaskRule, Shape
from opendrape.domain.policy import DetectRule, Role
from opendrape.domain.regions import CheckResult, FrameAccount, MarkedRegion, MaskReport
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.foresight import Foresight
from opendrape_masker.engine.groups import Stretch
from opendrape_masker.engine.looking import marked_targets, watch_for
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import View, plane_array
from opendrape_masker.engine.regions import PixelRect, Target, hidden_boxes
from opendrape_masker.reports import summed
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.frames import facts, picture

ONE = 65536
TURNS = [
    None,
    *((a, b, 0, c, d, 0, 0, 0, 1 << 30) for a in (ONE, -ONE) for d in (ONE, -ONE) for b in (0,) for c in (0,)),
    *((0, b, 0, c, 0, 0, 0, 0, 1 << 30) for b in (ONE, -ONE) for c in (ONE, -ONE)),
]


@pytest.mark.parametrize("matrix", TURNS)
def test_a_box_goes_to_the_upright_picture_and_back(matrix: tuple[int, ...] | None) -> None:
    """V-10, V-15: the reader gets the place that the detector saw, in each of the eight orientations."""
    view = View.of(facts(display_matrix=matrix), 160)
    box = Box(100, 30, 140, 50)
    assert view.back(view.forth(box)).corners == pytest.approx(box.corners)
    shown = picture()
    luma, blue, red = (plane_array(plane) for plane in shown.writable_planes())
    blue[:] = red[:] = 128
    luma[:] = 60
    luma[30:50, 100:140] = 230
    there = view.forth(box)
    upright = view.take(shown)[:, :, 1]
    inside = upright[round(there.y0) : round(there.y1), round(there.x0) : round(there.x1)]
    assert (inside > 150).mean() > 0.95
    assert (upright > 150).sum() == pytest.approx(inside.size, rel=0.05)


def test_a_grey_picture_is_seen_and_painted() -> None:
    """V-07: one plane."""
    shown = picture(pixel_format="gray")
    media = facts(pixel_format="gray")
    assert View.of(media, 80).take(shown).shape == (48, 80, 3)
    Painter.of(MaskRule(), media).paint(shown, [PixelRect(10, 10, 50, 50)])
    assert (plane_array(shown.planes[0])[10:50, 10:50] == 16).all()


def test_a_region_outside_the_picture_paints_nothing() -> None:
    """V-07: predicted places may leave the picture."""
    painter = Painter.of(MaskRule(dilate_pixels=0), facts())
    assert painter.rectangles([Target(Box(-50, -50, -10, -10)), Target(Box(200, 10, 240, 40))]) == []


def test_a_box_inside_another_needs_no_paint_of_its_own_but_an_ellipse_does() -> None:
    """V-07: the corner of an ellipse's rectangle is open."""
    targets = [Target(Box(0, 0, 80, 80), "face"), Target(Box(2, 2, 12, 12), "face")]
    assert len(Painter.of(MaskRule(), facts()).rectangles(targets)) == 1
    assert len(Painter.of(MaskRule(shape=Shape.ELLIPSE), facts()).rectangles(targets)) == 2


@given(st.integers(4, 90), st.integers(4, 90))
def test_what_counts_as_hidden_by_an_ellipse_is_painted(width: int, height: int) -> None:
    """V-15: the second look never takes an open place for a masked one."""
    rect = PixelRect(3, 2, 3 + width, 2 + height, "face")
    shown = picture()
    before = plane_array(shown.planes[0]).copy()
    before[before == 16] = 17
    plane_array(shown.writable_planes()[0])[:] = before
    Painter.of(MaskRule(shape=Shape.ELLIPSE), facts()).paint(shown, [rect])
    painted = plane_array(shown.planes[0]) == 16
    for box in hidden_boxes(rect, Shape.ELLIPSE):
        part = painted[round(box.y0 + 0.5) : int(box.y1), round(box.x0 + 0.5) : int(box.x1)]
        assert part.all()
    assert covered_share(Box(3, 2, 3 + width / 10, 2 + height / 10), hidden_boxes(rect, Shape.ELLIPSE)) == 0.0
    assert hidden_boxes(rect, Shape.BOX) == [rect.box]


@pytest.mark.parametrize(
    ("pixel_format", "depth", "samples"),
    [
        ("yuv420p", 8, 1.5),
        ("yuv422p", 8, 2.0),
        ("yuv444p", 8, 3.0),
        ("yuv420p10le", 10, 3.0),
        ("gbrp", 8, 4.0),
    ],
)
def test_the_window_fits_when_the_look_ahead_does(pixel_format: str, depth: int, samples: float) -> None:
    """Memory: a chunk is decoded twice exactly when its pictures would take more than allowed."""
    rule = DetectRule(
        role=Role.FACE,
        max_gap_seconds=Fraction(1, 5),
        long_side_pixels=(160,),
        strong_score=0.5,
        weak_score=0.2,
        bridge_seconds=Fraction(2, 5),
        hold_seconds=Fraction(1, 5),
    )
    media = facts(pixel_format=pixel_format, bit_depth=depth)
    timeline = Timeline(Fraction(1, 30), tuple(range(30)), (0,), 30)
    needed = int((36 + 6) * 160 * 96 * samples)  # 0.4 s and twice 0.4 s for recovery, and one gap
    for window, fits in ((needed, True), (needed - 1, False)):
        watch = watch_for(rule, ScriptedDetector({}, (160, 96)), media, timeline)
        foresight = Foresight(media, timeline, (), [watch], window, lambda _span: iter(()))
        assert foresight.expects_masks(Stretch(FrameSpan(0, 30), "not_copyable")) is fits


def test_marked_regions_hold_from_their_first_frame_up_to_their_end() -> None:
    """V-01: frames ``[start, end)``, to the end of the video without one."""
    some = MarkedRegion(x=1, y=2, width=3, height=4, start_frame=5, end_frame=8)
    ever = MarkedRegion(x=9, y=9, width=1, height=1, start_frame=7)
    assert [len(marked_targets([some, ever], frame)) for frame in (4, 5, 6, 7, 8, 500)] == [0, 1, 1, 2, 1, 1]
    assert marked_targets([some], 5) == [Target(Box(1, 2, 4, 6))]


def report(**changes: object) -> MaskReport:
    base: dict[str, object] = {
        "frames": 10,
        "masked_frames": 4,
        "detections": {"face": 2},
        "tracks": {"face": 1},
        "accounts": {"face": FrameAccount(examined=2, inside_track=3, bracketed=5)},
        "models": (),
        "checks": CheckResult(frames_checked=10, worst_psnr_db=40.0, remasked_rounds=0),
        "seconds": {"decode": 0.5},
        "peak_memory_bytes": 100,
    }
    return MaskReport.model_validate(base | changes)


def test_reports_add_up_and_keep_the_worst() -> None:
    """V-02, D-06: counts are summed, the worst picture and the highest memory stay."""
    checks = CheckResult(frames_checked=5, worst_psnr_db=33.0, remasked_rounds=2, residual_frames_examined=3)
    other = report(
        frames=5,
        detections={"text": 7},
        checks=checks,
        peak_memory_bytes=70,
        accounts={"text": FrameAccount(examined=5)},
    )
    total = summed([report(), other, report(checks=CheckResult(frames_checked=10))])
    assert (total.frames, total.masked_frames, total.peak_memory_bytes) == (25, 12, 100)
    assert total.detections == {"face": 4, "text": 7}
    assert total.accounts["face"] == FrameAccount(examined=4, inside_track=6, bracketed=10)
    assert total.accounts["text"].examined == 5
    assert (total.checks.frames_checked, total.checks.worst_psnr_db, total.checks.remasked_rounds) == (25, 33.0, 2)
    assert total.seconds == {"decode": 1.5}


def test_no_reports_have_no_sum() -> None:
    """V-16: a video without a chunk was not masked."""
    with pytest.raises(ValueError, match="nothing"):
        summed([])


def test_a_small_picture_is_never_enlarged_beyond_twice_its_size() -> None:
    """V-03: square pixels, whole sides."""
    view = View.of(facts(sample_aspect_ratio=(4, 3)), 4000)
    assert (view.width, view.height) == (round(160 * 4 / 3 * 2), 192)
    assert np.array_equal(view.take(picture()).shape, (192, 427, 3))
