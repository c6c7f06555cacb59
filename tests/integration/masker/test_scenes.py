"""V-04, V-05, V-06: what a policy says about whole scenes is masked in the written file and told in the report."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.devices import DeviceProfile
from opendrape.domain.policy import DetectRule, EncodeRule, Motion, Policy, ResidualRule, Role
from opendrape.domain.regions import MaskReport
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.scene_rules import CaseSheetRule, OverlayRule
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import MediaRefused
from opendrape.media.limits import MediaLimits
from opendrape_masker.detectors import Detector
from opendrape_masker.detectors.out_of_body import BuiltInOutOfBody
from opendrape_masker.engine.chunk import ChunkMasker
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.working import Working
from opendrape_masker.reports import summed
from tests.fakes.detectors import Hit, ScriptedDetector, ScriptedReader
from tests.integration.masker.scene_footage import (
    HEIGHT,
    RATE,
    WIDTH,
    Scene,
    drawn,
    lettered,
    room,
    seen,
    sheet,
    tissue,
)
from tests.integration.masker.workbench import Clip

OUT_OF_BODY = DetectRule(
    role=Role.OUT_OF_BODY,
    max_gap_seconds=Fraction(1, 2),
    motion=Motion.STATIC,
    long_side_pixels=(256,),
    strong_score=0.5,
    weak_score=0.3,
    grow=0.0,
    bridge_seconds=Fraction(2),
    hold_seconds=Fraction(1, 2),
)
TEXT = DetectRule(
    role=Role.TEXT, max_gap_seconds=Fraction(1), long_side_pixels=(320,), strong_score=0.5, weak_score=0.5
)
BASE = Policy(name="scenes", summary="for tests", encode=EncodeRule(preset="ultrafast", crf=14))
BLACK, LIT = 40, 60


@dataclass
class SceneDetectors:
    """The built-in heuristic, and text as a test says."""

    lines: dict[int, Sequence[Hit]] = field(default_factory=dict)

    def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
        if rule.role is Role.OUT_OF_BODY:
            return BuiltInOutOfBody(floor_score=0.3)
        return ScriptedDetector(self.lines, (WIDTH, HEIGHT), role=Role.TEXT)

    def reader(self) -> ScriptedReader:
        return ScriptedReader("")


@dataclass
class Stage:
    """Masks a clip, in one piece or cut at ``cuts``; ``shown`` is the written file's grey pictures."""

    clip: Clip
    folder: Path
    detectors: SceneDetectors = field(default_factory=SceneDetectors)
    shown: np.ndarray = field(default_factory=lambda: np.zeros((0, HEIGHT, WIDTH), np.uint8))

    def mask(
        self, policy: Policy, *, confirmed: Sequence[ConfirmedInterval] = (), cuts: Sequence[int] = ()
    ) -> MaskReport:
        bounds = [0, *cuts, len(self.clip.timeline)]
        reports, shown = [], []
        for start, end in itertools.pairwise(bounds):
            report, path = self._mask(policy, FrameSpan(start, end), confirmed)
            reports.append(report)
            shown.append(seen(path))
        self.shown = np.concatenate(shown)
        return summed(reports)

    def working(self, policy: Policy, span: FrameSpan, confirmed: Sequence[ConfirmedInterval], number: int) -> Working:
        job = Job(number, self.clip.media, self.clip.timeline, span, policy, (), MediaLimits(), 1, 1 << 30)
        return Working.of(job, self.detectors, confirmed, lambda: None)  # type: ignore[arg-type]

    def _mask(self, policy: Policy, span: FrameSpan, confirmed: Sequence[ConfirmedInterval]) -> tuple[MaskReport, Path]:
        folder = self.folder / f"{span.start}-{span.end}-{policy.digest[:6]}"
        folder.mkdir()
        number = os.open(self.clip.path, os.O_RDONLY)
        try:
            working = self.working(policy, span, confirmed, number)
            masker = ChunkMasker(working.job, working, working.reader, folder, lambda _share: None)
            return working.told(masker.run()), masker.chunk_path
        finally:
            os.close(number)

    @property
    def brightest(self) -> list[int]:
        """Brightest level of every written picture, in its middle and corners alike."""
        return [int(picture.max()) for picture in self.shown]


def cut_together(*parts: tuple[int, Scene]) -> Scene:
    """Scenes one after another, each with the frame at which it ends."""

    def show(frame: int) -> np.ndarray:
        return next(scene for end, scene in parts if frame < end)(frame)

    return show


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("scenes")
    inside = tissue()
    return {
        "sheet": drawn(folder / "sheet.mp4", cut_together((100, sheet), (250, inside)), frames=250),
        "outside": drawn(folder / "outside.mp4", cut_together((100, inside), (175, room), (250, inside)), frames=250),
        "lettered": drawn(folder / "lettered.mp4", lettered(inside), frames=250),
    }


def all_black(levels: Sequence[int]) -> bool:
    return max(levels) < BLACK


def test_no_frame_up_to_the_end_of_the_sheet_is_left(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-06: 0 leading frames remain, and what comes after the margin is there."""
    lines: Sequence[Hit] = [(70, 20 + 30 * row, 250, 32 + 30 * row, 0.9) for row in range(4)]
    stage = Stage(clips["sheet"], tmp_path, SceneDetectors(dict.fromkeys(range(100), lines)))
    rule = CaseSheetRule(within_seconds=Fraction(3), margin_seconds=Fraction(1, 2))
    policy = BASE.model_copy(update={"case_sheet": rule, "detect": (TEXT,)})
    report = stage.mask(policy, cuts=(75,))
    assert report.survey.case_sheet == "found"
    assert 100 <= report.survey.case_sheet_frames <= 100 + 1.5 * RATE
    assert all_black(stage.brightest[: report.survey.case_sheet_frames])
    assert min(stage.brightest[report.survey.case_sheet_frames + 1 :]) > LIT


def test_a_beginning_without_a_sheet_is_left_alone(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-06: tissue, whatever is written over it."""
    stage = Stage(clips["lettered"], tmp_path)
    report = stage.mask(BASE.model_copy(update={"case_sheet": CaseSheetRule(within_seconds=Fraction(3))}))
    assert (report.survey.case_sheet, report.survey.case_sheet_frames) == ("none", 0)
    assert min(stage.brightest) > LIT


def test_out_of_body_time_is_black_and_told_the_same_wherever_the_video_is_cut(
    clips: dict[str, Clip], tmp_path: Path
) -> None:
    """V-05: whole frames, hysteresis, a timeline with certainty; nothing inside the body is lost beyond the hold."""
    policy = BASE.model_copy(update={"detect": (OUT_OF_BODY,)})
    stage = Stage(clips["outside"], tmp_path)
    report = stage.mask(policy)
    levels = stage.brightest
    assert all_black(levels[100:175])
    assert min(levels[:80]) > LIT
    assert min(levels[195:]) > LIT
    assert "certain" in {one.certainty for one in report.out_of_body}
    told = {frame for one in report.out_of_body if one.masked for frame in range(one.start_frame, one.end_frame)}
    assert told == {frame for frame, level in enumerate(levels) if level < BLACK}
    parts = stage.mask(policy, cuts=(125, 150))
    assert parts.out_of_body == report.out_of_body
    assert [level < BLACK for level in stage.brightest] == [level < BLACK for level in levels]


def test_what_a_person_confirmed_is_what_is_written(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-05: inside wins over the detector, outside needs none."""
    confirmed = [
        ConfirmedInterval(start_frame=110, end_frame=120, where="in_body"),
        ConfirmedInterval(start_frame=20, end_frame=30, where="out_of_body"),
    ]
    stage = Stage(clips["outside"], tmp_path)
    report = stage.mask(BASE.model_copy(update={"detect": (OUT_OF_BODY,)}), confirmed=confirmed)
    levels = stage.brightest
    assert min(levels[110:120]) > LIT
    assert all_black([*levels[20:30], *levels[100:110], *levels[120:175]])
    assert min([*levels[:20], *levels[30:80]]) > LIT
    assert [(one.start_frame, one.end_frame) for one in report.out_of_body if one.certainty == "confirmed"] == [
        (20, 30)
    ]


def test_lettering_that_stands_still_is_masked_without_a_text_model(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-04: the same regions for every chunk, and little else."""
    stage = Stage(clips["lettered"], tmp_path)
    policy = BASE.model_copy(update={"overlays": OverlayRule()})
    report = stage.mask(policy, cuts=(100,))
    assert report.survey.overlays == "found"
    assert report.survey.overlay_share < 0.1
    assert (stage.shown[:, 146:160, 24:100] < BLACK + 10).mean() > 0.97
    assert min(stage.brightest) > LIT
    with open(stage.clip.path, "rb") as file:
        spans = (FrameSpan(0, 100), FrameSpan(100, 250))
        one, other = (stage.working(policy, span, (), file.fileno()).job.regions for span in spans)
    assert one == other


def profile(width: int, height: int) -> DeviceProfile:
    region = {"x": 0, "y": 0, "width": 64, "height": height, "reason": "text column"}
    facts = {"id": "scope", "version": 2, "verified": True, "vendor": "Maker", "model": "S"}
    return DeviceProfile.model_validate({**facts, "frame_width": width, "frame_height": height, "region": [region]})


def test_a_device_profile_masks_its_regions_on_every_frame(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-04: and the report names profile and version."""
    stage = Stage(clips["lettered"], tmp_path)
    report = stage.mask(BASE.model_copy(update={"device": profile(WIDTH, HEIGHT)}))
    assert report.device == "scope@2"
    assert int(stage.shown[:, :, :62].max()) < BLACK
    assert report.masked_frames == 250


def test_a_device_profile_for_another_picture_size_stops_the_work(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-04: never scaled, never ignored; nothing is written."""
    stage = Stage(clips["lettered"], tmp_path)
    with pytest.raises(MediaRefused) as refused:
        stage.mask(BASE.model_copy(update={"device": profile(WIDTH * 2, HEIGHT * 2)}))
    assert refused.value.reason == "device_frame_size"
    assert list(tmp_path.rglob("chunk.nut")) == []
