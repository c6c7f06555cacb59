"""The sample generator: exact times, exact boxes, and identity that really is in the file's bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from opendrape_masker.synthetic import SampleRequest, SampleTruth, make_sample
from opendrape_masker.synthetic.__main__ import main
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.scene import Scene
from opendrape_masker.synthetic.sound import speech_like
from tests.synthetic.canaries import grep_canaries
from tests.synthetic.judge import pictures, uncovered, wrong_times

SMALL = SampleRequest(seconds=Fraction(2), width=640, height=360, rate=Fraction(15), key_interval=10)
VARIANTS = {
    "plain": SMALL,
    "variable rate": replace(SMALL, variable_rate=True),
    "ntsc": replace(SMALL, rate=Fraction(30000, 1001)),
    "ten bit": replace(SMALL, pixel_format="yuv420p10le"),
    "odd size": replace(SMALL, width=637, height=359, pixel_format="yuv444p"),
    "hevc": replace(SMALL, codec="libx265", preset="ultrafast"),
    "silent crowd": replace(SMALL, sound=False, faces=3),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleTruth]:
    folder = tmp_path_factory.mktemp("sample")
    truth = make_sample(folder, SMALL)
    return folder / truth.file, truth


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_frame_is_shown_exactly_when_the_truth_says(variant: str, tmp_path: Path) -> None:
    """V-10: the bench's own timestamps are proven before anybody is judged by them."""
    truth = make_sample(tmp_path, VARIANTS[variant], file_name="a.mp4")
    assert wrong_times(truth, tmp_path / "a.mp4") == []
    gaps = {b - a for a, b in zip(truth.ticks, truth.ticks[1:], strict=False)}
    assert (len(gaps) > 1) is VARIANTS[variant].variable_rate
    first = next(pictures(tmp_path / "a.mp4")).frame
    assert (first.width, first.height, first.format.name) == (truth.width, truth.height, VARIANTS[variant].pixel_format)


def test_a_face_changes_pixels_only_where_the_truth_says() -> None:
    """The face's box lies in what the drawing touched, and nothing else of the scene changes."""
    scene = Scene.of(replace(SMALL, text=False), Identity.of_seed(1))
    for frame in range(0, len(SMALL.ticks), 7):
        with_face, (face,) = scene.draw(frame)
        without, _ = scene.draw(frame, people=False)
        rows, columns = np.nonzero(with_face.luma != without.luma)
        x0, y0, x1, y1 = face.reach
        assert x0 <= columns.min() <= face.box[0] < face.box[2] <= columns.max() + 1 <= x1
        assert y0 <= rows.min() <= face.box[1] < face.box[3] <= rows.max() + 1 <= y1
        inside = np.abs(with_face.luma.astype(int) - without.luma)[round(face.box[1]) : round(face.box[3])]
        assert np.mean(inside[:, round(face.box[0]) : round(face.box[2])] > 0) > 0.9


def test_text_boxes_are_exactly_the_letters() -> None:
    """Every white pixel that text adds lies in a text box, and each box is touched on all four sides."""
    scene = Scene.of(SMALL, Identity.of_seed(1))
    written, boxes = scene.draw(20, people=False)
    blank, _ = scene.draw(20, people=False, text=False)
    letters = (written.luma != blank.luma) & (written.luma > 16)
    for box in boxes:
        x0, y0, x1, y1 = (int(edge) for edge in box.box)
        part = letters[y0:y1, x0:x1]
        assert part[0].any()
        assert part[-1].any()
        assert part[:, 0].any()
        assert part[:, -1].any()
        assert y1 - y0 >= 18
        letters[y0:y1, x0:x1] = False
    assert not letters.any()
    assert len(boxes) >= 3


def test_the_face_leaves_and_comes_back_and_changes_size() -> None:
    """V-02: a sample without absence could not show what happens at its edges."""
    request = SampleRequest()
    scene = Scene(request, Identity.of_seed(1), Scene.of(replace(SMALL, text=False), Identity.of_seed(1)).tissue)
    counts = [len(list(scene.people_at(frame))) for frame in range(0, 600, 30)]
    assert 0 in counts
    assert counts[0] == counts[-1] == 1
    tall = [place.face_height for frame in range(0, 600, 10) for place in scene.people_at(frame)]
    assert 85 < min(tall) < 95
    assert 240 < max(tall) < 265


def test_identity_is_in_the_bytes_of_the_sample(made: tuple[Path, SampleTruth]) -> None:
    """P-05, V-09: without this the canary test of the pipeline would prove nothing."""
    video, truth = made
    named = {hit.canary for hit in grep_canaries([video], truth.canaries)}
    assert named == set(truth.canaries)
    content = video.read_bytes()
    identity = Identity.of_seed(1)
    assert content.count(identity.user_text.encode()) == 3  # SEI of every key frame
    assert "Closure Märta".encode() in content  # chapter
    assert identity.place.encode() in content
    assert b"2024-05-17T07:41:20" in content


def test_sei_text_and_key_frames_survive_a_strict_decoder(made: tuple[Path, SampleTruth]) -> None:
    """The injected unit is well formed: the decoder reports the text as side data and no error."""
    video, _ = made
    with av.open(str(video), options={"err_detect": "explode"}) as container:
        frames: list[Any] = list(container.decode(video=0))
    keys = [index for index, frame in enumerate(frames) if frame.key_frame]
    assert keys == [0, 10, 20]
    texts = [bytes(data) for data in frames[0].side_data if "SEI_UNREGISTERED" in str(data.type)]
    assert any(b"mrn=471193" in text for text in texts)


def test_there_is_speech_like_sound(made: tuple[Path, SampleTruth]) -> None:
    """V-08: sound that is dropped must have been there; energy lies where speech has it."""
    video, _ = made
    with av.open(str(video)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples >= 1.9 * 48_000
    wave = np.frombuffer(speech_like(0, 48_000, seed=1), "<i2")
    energy = np.abs(np.fft.rfft(wave)) ** 2
    assert energy[100:4000].sum() > 0.95 * energy.sum()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_sample_says_so(degrees: int, tmp_path: Path) -> None:
    """V-10: the display matrix is the one players know for a clockwise turn."""
    make_sample(tmp_path, replace(SMALL, seconds=Fraction(1), rotation=degrees), file_name="a.mp4")
    assert next(pictures(tmp_path / "a.mp4")).frame.rotation % 360 == -degrees % 360


def test_the_same_request_gives_the_same_file(made: tuple[Path, SampleTruth], tmp_path: Path) -> None:
    """A bench that changes by itself cannot show a regression."""
    video, truth = made
    again = make_sample(tmp_path, SMALL)
    assert again == truth
    assert (tmp_path / again.file).read_bytes() == video.read_bytes()
    assert make_sample(tmp_path, replace(SMALL, seed=2)).canaries != truth.canaries


def test_an_unmasked_video_is_not_called_covered(made: tuple[Path, SampleTruth]) -> None:
    """V-15: the judge itself can say no: every box of the source is open."""
    video, truth = made
    open_boxes = {(found.frame, found.label) for found in uncovered(truth, video)}
    assert open_boxes == {(frame, box.label) for frame, boxes in enumerate(truth.frames) for box in boxes}


def test_the_truth_survives_its_file_and_stays_out_of_the_input_folder(tmp_path: Path) -> None:
    """P-05: the truth names everybody; the command refuses to put it among inputs."""
    inputs, truth = tmp_path / "in", tmp_path / "truth" / "t.json"
    small = ["--seconds", "1/2", "--width", "320", "--height", "180", "--out", str(inputs)]
    with pytest.raises(SystemExit):
        main([*small, "--truth", str(inputs / "t.json")])
    assert main([*small, "--truth", str(truth)]) == 0
    read = SampleTruth.read(truth)
    assert [path.name for path in inputs.iterdir()] == [read.file]
    assert wrong_times(read, inputs / read.file) == []
    read.write(truth)
    assert SampleTruth.read(truth) == read


def test_an_existing_sample_is_left_alone_and_odd_sizes_need_full_chroma(tmp_path: Path) -> None:
    """Errors come before work."""
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        make_sample(tmp_path, SMALL, file_name="a.mp4")
    with pytest.raises(ValueError, match="4:4:4"):
        SampleRequest(width=637)
