"""V-04: labels and pages out of focus, with the real networks: several lines run into one hit that is no line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.labels import LINES, covered, label

from opendrape.domain.policy import Role
from opendrape.domain.timeline import FrameSpan
from opendrape.settings import shipped
from opendrape_masker.detectors import Detector, build_detector, build_reader
from opendrape_masker.detectors.legible import LegibleText
from opendrape_masker.engine.pictures import View
from opendrape_masker.inference.session import OnnxRuntimeSession
from tests.integration.media.footage import clip, pictures, probed

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def text(models_dir: Path) -> Detector:
    session, repository = OnnxRuntimeSession(models_dir, threads=1, deadline_seconds=120), shipped("model_repository")
    found = build_detector(Role.TEXT, session=session, repository=repository, floor_score=0.5)
    return LegibleText(found, build_reader(session=session, repository=repository), 0.8)


@pytest.mark.parametrize(
    ("tall", "lines", "blur"), [(12, 5, 0.18), (16, 2, 0.18), (28, 2, 0.2), (40, 3, 0.2), (40, 5, 0.2)]
)
def test_a_label_out_of_focus_is_masked(text: Detector, tall: int, lines: int, blur: float) -> None:
    """V-04: the detector doubts it and takes its lines for one, so that no reader can read it as a line."""
    picture, place = label(tall, lines, blur)
    hits = text.detect([picture], [0])[0]
    assert covered(place, hits) > 0.9, hits


@pytest.mark.parametrize(("tall", "lines"), [(12, 2), (12, 3), (20, 3), (20, 5)])
def test_small_labels_out_of_focus_are_found_in_a_smaller_picture(text: Detector, tall: int, lines: int) -> None:
    """V-04: policy ``full`` looks for text at 480 pixels too, where what is blurred is sharp again."""
    picture, (x0, y0, x1, y1) = label(tall, lines, 0.18)
    small = np.asarray(cv2.resize(picture, (480, 270), interpolation=cv2.INTER_AREA), np.uint8)
    hits = text.detect([small], [0])[0]
    assert covered((x0 // 2, y0 // 2, x1 // 2, y1 // 2), hits) > 0.5, hits


def test_a_page_out_of_focus_that_fills_the_picture_is_masked(text: Detector) -> None:
    """V-04: the detector sees one line as large as the picture."""
    page = np.full((540, 960, 3), 235, np.uint8)
    for row in range(12):
        line = " ".join(LINES[(row + step) % 5] for step in range(3))
        cv2.putText(page, line, (4, 45 * row + 33), 0, 1.2, (20, 20, 20), 3, cv2.LINE_AA)
    page = np.asarray(cv2.GaussianBlur(page, (0, 0), 7.5), np.uint8)
    assert covered((0, 0, 960, 540), text.detect([page], [0])[0]) > 0.9


@pytest.mark.media
@pytest.mark.parametrize("frame", [24, 36, 48])
def test_a_smooth_picture_is_no_page(text: Detector, frame: int) -> None:
    """V-04: at these frames the detector takes a person before a plain wall for a line, with up to 0.83."""
    path = clip("clips/signing_woman_640x480.mkv")
    found = probed(path)
    (picture,) = pictures(path, found, FrameSpan(frame, frame + 1))
    small = View.of(found.media, 960).take(picture)
    assert covered((0, 0, small.shape[1], small.shape[0]), text.detect([small], [frame])[0]) < 0.1
