"""The judge of outputs: it sees and reads what is open, and is silent about what is painted over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from opendrape.domain.policy import Role
from opendrape.media.sample_writer import SampleText, SampleVideo, SampleWriter
from opendrape.settings import Settings
from opendrape_masker.detectors import Detection, ModelFacts
from opendrape_masker.detectors.detection import THINGS_OF
from opendrape_masker.synthetic import SampleRequest, SampleTruth, make_sample
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.picture import packed_planes
from opendrape_masker.synthetic.scene import Scene
from tests.models_fixture import need_models
from tests.synthetic.judge import Judge, is_on, uncovered, wrong_times

REQUEST = SampleRequest(seconds=Fraction(1), width=1280, height=720, rate=Fraction(10), sound=False)
_FIXED = ModelFacts(name="fixed", role=Role.FACE, sha256="")

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Sees:
    """A detector that reports fixed boxes."""

    role: Role
    boxes: tuple[_Box, ...]
    model: ModelFacts = _FIXED

    def detect(self, pictures: Sequence[npt.NDArray[np.uint8]], frames: Sequence[int]) -> list[list[Detection]]:
        return [
            [Detection(frame, self.role, 0.9, *box, THINGS_OF[self.role][0]) for box in self.boxes] for frame in frames
        ]


@dataclass(frozen=True)
class _Reads:
    """A reader that always reads the same."""

    words: str
    model: ModelFacts = _FIXED

    def read_text(
        self, picture: npt.NDArray[np.uint8], boxes: Sequence[tuple[float, float, float, float]]
    ) -> list[str]:
        return [self.words for _ in boxes]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleTruth]:
    folder = tmp_path_factory.mktemp("open")
    truth = make_sample(folder, REQUEST, file_name="open.mp4")
    return folder / "open.mp4", truth


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same scene with every true box painted black, a little larger than the box."""
    path = tmp_path_factory.mktemp("painted") / "painted.mp4"
    _write_painted(path, lazy_frame=None)
    return path


def _write_painted(path: Path, *, lazy_frame: int | None) -> None:
    scene = Scene.of(REQUEST, Identity.of_seed(1))
    video = SampleVideo(REQUEST.width, REQUEST.height, REQUEST.time_base, REQUEST.rate)
    with SampleWriter(path, video, sound=None, text=SampleText()) as writer:
        for frame, tick in enumerate(REQUEST.ticks):
            canvas, boxes = scene.draw(frame)
            for box in boxes if frame != lazy_frame else ():
                x0, y0 = (max(0, math.floor(edge / 2) * 2 - 8) for edge in box.box[:2])
                x1, y1 = (math.ceil(edge / 2) * 2 + 8 for edge in box.box[2:])
                canvas.luma[y0:y1, x0:x1] = 16
                canvas.blue[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = 128
                canvas.red[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = 128
            size = {"width": REQUEST.width, "height": REQUEST.height}
            writer.write_picture(tick, packed_planes(canvas, **size, pixel_format="yuv420p"))


def test_painted_boxes_count_as_covered_after_encoding(source: tuple[Path, SampleTruth], painted: Path) -> None:
    """V-15: lossy coding of flat areas stays within the tolerance."""
    _, truth = source
    assert uncovered(truth, painted) == []
    assert wrong_times(truth, painted) == []


def test_one_open_frame_is_found(source: tuple[Path, SampleTruth], tmp_path: Path) -> None:
    """V-02: a single frame without masks fails the whole video."""
    _, truth = source
    _write_painted(tmp_path / "lazy.mp4", lazy_frame=4)
    found = uncovered(truth, tmp_path / "lazy.mp4")
    assert {open_box.frame for open_box in found} == {4}
    assert {open_box.kind for open_box in found} == {"face", "text"}


def test_missing_and_shifted_frames_are_named(source: tuple[Path, SampleTruth]) -> None:
    """V-10: times are compared exactly, and a short video is never a passing one."""
    video, truth = source
    longer = replace(truth, ticks=(*truth.ticks, truth.ticks[-1] + 512), frames=(*truth.frames, ()))
    assert wrong_times(longer, video) == [len(truth.ticks)]
    shifted = replace(truth, ticks=(*truth.ticks[:3], truth.ticks[3] + 1, *truth.ticks[4:]))
    assert wrong_times(shifted, video) == [3]
    with pytest.raises(AssertionError, match="frames instead of"):
        uncovered(longer, video)


def test_a_face_hit_counts_only_on_a_true_face(source: tuple[Path, SampleTruth]) -> None:
    """V-15: hits elsewhere are somebody else's matter; unreadable words are no find."""
    video, truth = source
    face = next(box.box for _, box in truth.boxes("face"))
    far = (0.0, 0.0, 8.0, 8.0)
    text = _Sees(Role.TEXT, ())
    assert Judge((_Sees(Role.FACE, (far,)),), text, _Reads("")).look(truth, video) == []
    hits = Judge((_Sees(Role.FACE, (face,)),), text, _Reads("")).look(truth, video)
    assert hits[0].kind == "face"
    words = Judge((), text, _Reads("xx ANDERSON MARTA")).look(truth, video, every=5)
    assert {hit.frame for hit in words} == {0, 5}
    assert is_on((0, 0, 4, 4), (1, 1, 5, 5))
    assert is_on((-50, -50, 50, 50), (0, 0, 4, 4)), "a huge hit that contains the face counts"
    assert is_on((0, 0, 4, 4), (3, 3, 7, 7)), "a corner is enough"
    assert not is_on((0, 0, 4, 4), (4, 0, 8, 4))


@pytest.mark.models
def test_the_real_second_look_sees_the_source_and_nothing_in_the_painted_one(
    source: tuple[Path, SampleTruth], painted: Path, models_dir: Path
) -> None:
    """V-15: faces and planted words are found by real models when open, and by none when painted."""
    need_models(models_dir, Role.FACE, Role.TEXT, Role.TEXT_RECOGNITION)
    video, truth = source
    judge = Judge.of(models_dir, Settings().model_repository)
    seen = judge.look(truth, video, every=3)
    assert {found.frame for found in seen if found.kind == "face"} == {0, 3, 6, 9}
    assert {"ID 471193", "ANDERSSON, MÄRTA"} <= {found.what for found in seen}
    assert judge.look(truth, painted, every=3) == []
