"""V-04: what is written over a moving scene is found by its still edges; a still scene is undecidable."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest

from opendrape.domain.timeline import Timeline
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.overlays import EdgeStatistics, OverlayVerdict, judge_overlays, on_full_picture
from opendrape_masker.engine.survey import ENOUGH_KEY_FRAMES, survey_plan
from opendrape_masker.synthetic.tissue import Tissue

SIZE = (640, 360)
WORDS = Box(45, 304, 203, 326)
SAMPLES = 32
Paint = Callable[[np.ndarray, int], None]


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return Tissue.grown(*SIZE, seed=5)


def survey(tissue: Tissue, *paints: Paint, still: bool = False) -> OverlayVerdict:
    """The verdict on pictures two seconds apart."""
    statistics = EdgeStatistics()
    noise = np.random.default_rng(1)
    for sample in range(SAMPLES):
        luma = tissue.canvas(0 if still else sample * 50, 0.0 if still else sample * 2.0).luma.copy()
        luma = cv2.add(luma, noise.integers(0, 4, luma.shape, dtype=np.uint8))
        for paint in paints:
            paint(luma, sample)
        statistics.add(luma)
    return judge_overlays(statistics, largest_share=0.12)


def words(luma: np.ndarray, _sample: int) -> None:
    cv2.putText(luma, "DOE JANE 1961", (45, 322), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 235, 2)


def clock(luma: np.ndarray, sample: int) -> None:
    cv2.putText(luma, f"10:{sample:02}:{sample * 7 % 60:02}", (480, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 235, 2)


def round_border(luma: np.ndarray, _sample: int) -> None:
    outside = np.ones_like(luma)
    cv2.circle(outside, (320, 180), 200, 0, -1)
    luma[outside > 0] = 16


def lit(luma: np.ndarray, _sample: int) -> None:
    """A scene as bright as an endoscope's: its rim is a hard edge."""
    luma[...] = luma // 2 + 90


def share(verdict: OverlayVerdict) -> float:
    return sum(box.area for box in verdict.boxes) / (SIZE[0] * SIZE[1])


def test_words_over_a_moving_scene_are_found_and_little_else(tissue: Tissue) -> None:
    """V-04: without any text model."""
    verdict = survey(tissue, words)
    assert verdict.undecidable == ""
    assert covered_share(WORDS, verdict.boxes) > 0.8
    assert share(verdict) < 1.8 * WORDS.area / (SIZE[0] * SIZE[1])


def test_a_scene_without_overlay_has_none(tissue: Tissue) -> None:
    """V-04: precision."""
    assert survey(tissue) == OverlayVerdict()


def test_the_black_border_of_a_round_picture_is_no_overlay(tissue: Tissue) -> None:
    """V-04: nor is its rim, though it is the stillest edge of all."""
    assert survey(tissue, lit, round_border) == OverlayVerdict()


def test_words_on_the_black_border_are_found(tissue: Tissue) -> None:
    """V-04: that is where most devices write."""
    beside = lambda luma, _s: cv2.putText(luma, "ID 77", (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 235, 2)  # noqa: E731
    verdict = survey(tissue, lit, round_border, beside)
    assert covered_share(Box(10, 12, 70, 30), verdict.boxes) > 0.8


def test_a_changing_clock_keeps_its_still_part(tissue: Tissue) -> None:
    """V-04: the digits that change are the text detector's; the hour stands still."""
    assert covered_share(Box(482, 22, 505, 40), survey(tissue, clock).boxes) > 0.7


@pytest.mark.parametrize("paints", [(), (words,)])
def test_a_still_camera_is_undecidable_and_masks_nothing(tissue: Tissue, paints: tuple[Paint, ...]) -> None:
    """V-04: half of a still scene must not turn black."""
    verdict = survey(tissue, *paints, still=True)
    assert verdict.undecidable == "scene_stands_still"
    assert verdict.boxes == ()


def test_a_still_room_with_flicker_is_undecidable(tissue: Tissue) -> None:
    """V-04: light that changes looks like motion to a statistic of grey levels; the still edges give it away."""

    def flicker(luma: np.ndarray, sample: int) -> None:
        luma[...] = np.clip(luma.astype(np.int16) + (15 if sample % 2 else -15), 0, 255).astype(np.uint8)

    verdict = survey(tissue, flicker, still=True)
    assert verdict.undecidable == "too_much_stands_still"
    assert verdict.boxes == ()


def test_lettering_that_is_there_half_of_the_time_is_not_still(tissue: Tissue) -> None:
    """V-04: that is the text detector's; an edge that comes and goes may as well be an instrument's."""

    def now_and_then(luma: np.ndarray, sample: int) -> None:
        if sample % 2:
            words(luma, sample)

    assert survey(tissue, now_and_then) == OverlayVerdict()


def test_still_lines_all_over_a_flickering_room_are_undecidable(tissue: Tissue) -> None:
    """V-04: too thin to be boxes, and too many to be written over a moving scene."""

    def beams(luma: np.ndarray, sample: int) -> None:
        luma[...] = 90 + (12 if sample % 2 else -12)
        for x in range(-300, 640, 150):
            cv2.line(luma, (x, 360), (x + 300, 0), 200 + (12 if sample % 2 else -12), 3)

    verdict = survey(tissue, beams, still=True)
    assert verdict.undecidable == "too_much_stands_still"


def test_boxes_come_back_in_pixels_of_the_full_picture() -> None:
    """V-04: clipped to it."""
    assert on_full_picture([Box(-4, 0, 100, 50)], (960, 540), (1920, 1080)) == [Box(0, 0, 200, 100)]


@pytest.mark.parametrize(("seconds", "apart"), [(3600, 2), (100, 1)])
def test_a_long_video_is_surveyed_by_key_frames_spread_over_it(seconds: int, apart: int) -> None:
    """V-04: each is decoded alone, so an hour costs what a minute costs."""
    keys = tuple(range(0, seconds * 25, apart * 25))
    plan = survey_plan(Timeline(Fraction(1, 25), range(seconds * 25), keys, seconds * 25), 64)
    assert plan.runs == ()
    assert len(plan.frames) <= 64
    assert set(plan.frames) <= set(keys)
    assert plan.frames[0] == 0
    assert plan.frames[-1] == keys[-1]


@pytest.mark.parametrize("keys", [1, 3, ENOUGH_KEY_FRAMES - 1])
def test_few_key_frames_cost_a_bounded_number_of_decoded_frames(keys: int) -> None:
    """V-04: an hour in one group of pictures is not decoded twice."""
    frames = 90000
    timeline = Timeline(Fraction(1, 25), range(frames), tuple(range(0, frames, -(-frames // keys))), frames)
    plan = survey_plan(timeline, 64)
    assert sum(len(run) for run in plan.runs) <= 300
    assert len(plan.frames) == len(set(plan.frames)) >= 16
    assert all(any(frame in run for run in plan.runs) for frame in plan.frames)


def test_a_short_video_is_surveyed_as_a_whole() -> None:
    """V-04."""
    plan = survey_plan(Timeline(Fraction(1, 25), range(250), (0, 120), 250), 64)
    assert plan.frames[0] == 0
    assert plan.frames[-1] == 249
