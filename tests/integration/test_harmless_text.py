"""V-04: on a real picture the reader tells a machine's line from a patient's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opendrape.domain.policy import Role
from opendrape.domain.timeline import FrameSpan
from opendrape.settings import shipped
from opendrape_masker.detectors import build_detector, build_reader
from opendrape_masker.detectors.allowing import AllowingDetector, AllowingReader
from opendrape_masker.engine.pictures import View
from opendrape_masker.inference.session import OnnxRuntimeSession
from tests.integration.media.footage import clip, pictures, probed

pytestmark = pytest.mark.models
HARMLESS = 0.2
PATTERNS = (re.compile(r"CUT \d{1,3} W"), re.compile(r"ZOOM \d\.\dx"))


@pytest.mark.parametrize("long_side", [960, 1280])
def test_of_all_lines_only_the_machines_own_is_harmless(models_dir: Path, long_side: int) -> None:
    """V-04, V-15: at the first look's size and at the second look's."""
    path = clip("surgical/laparoscopy_overlay_720p_5s.mp4")
    found = probed(path)
    (picture,) = pictures(path, found, FrameSpan(30, 31))
    small = View.of(found.media, long_side).take(picture)
    session, repository = OnnxRuntimeSession(models_dir, threads=1, deadline_seconds=120), shipped("model_repository")
    text = build_detector(Role.TEXT, session=session, repository=repository, floor_score=0.5)
    reader = build_reader(session=session, repository=repository)
    (hits,) = AllowingDetector(text, reader, PATTERNS, HARMLESS).detect([small], [30])
    boxes = [(hit.x0, hit.y0, hit.x1, hit.y1) for hit in hits]
    said = dict(zip(reader.read_text(small, boxes), (hit.score for hit in hits), strict=True))
    assert [line for line, score in said.items() if score == HARMLESS] == ["CUT 120 W"]
    assert len(said) >= 5
    assert "" in AllowingReader(reader, PATTERNS).read_text(small, boxes)
    assert [line for line in AllowingReader(reader, PATTERNS).read_text(small, boxes) if line] == list(said)[:-1]
