"""V-02, V-16: two face rules hear one second opinion: the same masks wherever a video is cut, and errors surface."""

from __future__ import annotations

from typing import Any

import pytest

from opendrape.domain.policy import OpinionRule, Role
from opendrape.domain.timeline import FrameSpan
from opendrape_masker.detectors.second_opinion import AskedOnce, SecondOpinion
from opendrape_masker.engine import looking
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.faults import Injected, inject, places
from tests.integration.masker.workbench import FACE, POLICY, SIZE, Bench, walker

pytestmark = pytest.mark.timeout(60)

SMALL, LARGE = 80, 160
FINE = FACE.model_copy(update={"long_side_pixels": (LARGE,), "max_gap_seconds": 3 * FACE.max_gap_seconds})
RULES = (FACE.model_copy(update={"long_side_pixels": (SMALL,)}), FINE)
OPINION = OpinionRule(
    role=Role.FACE,
    long_side_pixels=64,
    doubt_score=0.2,
    sure_score=0.95,
    every_looks=4,
    agree_score=0.1,
    score_factor=2.0,
    alone_factor=0.75,
)


def advised(bench: Bench) -> tuple[Bench, ScriptedDetector]:
    """Everything is doubted, so both rules ask wherever they see something."""
    second = ScriptedDetector(lambda frame: [(40.0, 40.0, 60.0, 64.0, 0.4)] if frame % 2 else [], SIZE, name="other")
    first = SecondOpinion(OPINION, ScriptedDetector(walker, SIZE), AskedOnce(second).at(0.1), shown_pixels=SMALL)
    policy = POLICY.model_copy(update={"detect": RULES, "residual": ()})
    return bench.with_(policy=policy, first=first, threads=2), second


def masks(bench: Bench, *spans: FrameSpan) -> dict[int, Any]:
    """Regions by frame."""
    return {frame: regions for span in spans for frame, regions in bench.mask(span).painted.items()}


def test_no_frame_is_looked_at_twice_by_the_second_network(bench: Bench) -> None:
    """V-02: two threads, two rules, one look."""
    used, second = advised(bench)
    used.mask()
    assert second.asked
    assert len(second.asked) == len(set(second.asked))
    shared = [frame for frame in used.clip.timeline.looks(FINE.max_gap_seconds) if walker(frame)]
    assert set(shared) <= set(second.asked), "both rules asked about these"


def test_masks_are_the_same_wherever_the_video_is_cut(bench: Bench) -> None:
    """O-04: which rule asks first differs from chunk to chunk, the answer does not."""
    whole = masks(advised(bench)[0], bench.clip.whole)
    cuts = [FrameSpan(0, 31), FrameSpan(31, 48), FrameSpan(48, bench.clip.whole.end)]
    assert masks(advised(bench)[0], *cuts) == whole
    assert sum(bool(rectangles) for rectangles in whole.values()) > 20


def test_an_error_while_the_picture_is_made_ends_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: never an opinion that nobody gave."""
    (place,) = [one for one in places((looking,)) if one.label == "looking.Eye._show"]
    fault = inject(place, monkeypatch, everywhere=(looking,))
    with pytest.raises(Injected):
        advised(bench)[0].mask(FrameSpan(12, 30))
    assert fault.happened
