"""V-10: are the frames at a chunk's borders as good as those of the same video written in one piece?"""

from __future__ import annotations

from pathlib import Path

import pytest
from av.video.frame import PictureType, VideoFrame

from opendrape.domain.output_rules import EncodeRule
from opendrape.media.assemble import assemble, prove
from opendrape.media.borders import PaddedEncoder
from opendrape.media.scene_cut import is_cut
from tests.integration.media.footage import clip, ffmpeg, probed, write_chunks
from tests.integration.media.quality import cut_every, plain_transcode, psnr_of_frames

_MOST_LOST = 0.5


def losses(source: Path, folder: Path, frames: int) -> list[float]:
    """dB by which each frame is below a plain transcode with key frames at the same places."""
    found = probed(source)
    spans = cut_every(frames, len(found.timeline))
    chunks = write_chunks(source, found, folder, spans, encode=EncodeRule())
    written = folder / "o.mp4"
    assemble(chunks, written, media=found.media, timeline=found.timeline)
    prove(written, chunks, media=found.media, timeline=found.timeline)
    plain = plain_transcode(source, folder, spans, found.timeline)
    ours, theirs = psnr_of_frames(source, written), psnr_of_frames(source, plain)
    return [their - our for our, their in zip(ours, theirs, strict=True)]


SOURCES = {
    "zoom": "mandelbrot=s=320x192:r=25:end_pts=200:start_scale=0.5,noise=alls=4:allf=t:all_seed=5",
    "growth": "life=s=320x192:r=25:mold=20:life_color=#88aaff:death_color=#203050:seed=3:ratio=0.2,gblur=sigma=2",
}


@pytest.mark.parametrize("look", SOURCES)
def test_no_frame_at_a_border_is_worse_than_in_one_piece(look: str, tmp_path: Path) -> None:
    """V-10: at most half a decibel in any frame, four chunks of a second; unpadded chunks lose two at each border."""
    source = tmp_path / "s.mp4"
    ffmpeg("-f", "lavfi", "-i", SOURCES[look], "-t", "4", "-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p", source)
    found = losses(source, tmp_path, 25)
    assert len(found) == 100
    assert max(found) <= _MOST_LOST


@pytest.mark.media
@pytest.mark.parametrize(("name", "frames"), [("odd/mjpeg.avi", 17), ("clips/ai_crowd_752x416_6s.mp4", 37)])
def test_no_frame_of_a_real_clip_is_worse_either(name: str, frames: int, tmp_path: Path) -> None:
    """V-10: cut where the source has no key frame."""
    assert max(losses(clip(name), tmp_path, frames)) <= _MOST_LOST


class Recorder:
    """Stands where the encoder is: remembers what it was given, gives back nothing."""

    def __init__(self) -> None:
        self.given: list[tuple[int, int, str]] = []

    def __call__(self, frame: VideoFrame | None) -> list[object]:
        if frame is not None:
            brightness = memoryview(frame.planes[0]).cast("B")[0]
            self.given.append((frame.pts or 0, brightness, PictureType(frame.pict_type).name))
        return []


def frames(count: int, *, cut_at: int = 1000) -> list[VideoFrame]:
    made = []
    for number in range(count):
        frame = VideoFrame(64, 64, "gray")
        frame.planes[0].update(bytes([number + (100 if number >= cut_at else 0)]) * frame.planes[0].buffer_size)
        frame.pts = 1000 + 10 * number
        made.append(frame)
    return made


def given(count: int, *, is_start: bool, in_all: int, cut_at: int = 1000) -> list[tuple[int, int, str]]:
    recorder = Recorder()
    padded = PaddedEncoder(recorder, is_start=is_start, frames_in_all=in_all, gap=10)  # type: ignore[arg-type]
    for frame in frames(count, cut_at=cut_at):
        padded.put(frame)
    padded.finish()
    return recorder.given


def test_a_whole_video_is_encoded_as_it_is() -> None:
    """V-10: nothing is added and nothing forced where there is no border."""
    assert given(30, is_start=True, in_all=30) == [(1000 + 10 * n, n, "NONE") for n in range(30)]


def test_the_first_pictures_are_seen_twice_and_times_only_rise() -> None:
    """V-10: backwards first, then in order from a key frame on."""
    seen = given(30, is_start=False, in_all=900)
    times = [time for time, _, _ in seen]
    assert times == sorted(set(times))
    warm = [brightness for time, brightness, _ in seen if time < 1000]
    assert warm == list(range(12, 0, -1))
    assert [(b, t) for time, b, t in seen if 1000 <= time <= 1290][:2] == [(0, "I"), (1, "NONE")]


def test_the_last_picture_is_no_b_picture_and_something_follows() -> None:
    """V-10: what is kept does not refer to what is not."""
    seen = given(30, is_start=True, in_all=900)
    assert [kind for time, _, kind in seen if time <= 1290][-2:] == ["NONE", "P"]
    after = [brightness for time, brightness, _ in seen if time > 1290]
    assert after == list(range(28, 16, -1))


def test_a_scene_that_begins_with_the_last_picture_is_coded_by_itself() -> None:
    """V-10: the encoder sees for itself where others begin; a scene is gone on with, not the one before."""
    seen = given(30, is_start=True, in_all=900, cut_at=29)
    assert [kind for time, _, kind in seen if time <= 1290][-2:] == ["NONE", "I"]
    assert {brightness for time, brightness, _ in seen if time > 1290} == {129}
    seen = given(30, is_start=True, in_all=900, cut_at=28)
    assert {brightness for time, brightness, _ in seen if time > 1290} == {128, 129}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 13, 14])
def test_short_chunks_lose_nothing(count: int) -> None:
    """V-10: every picture once within the chunk, whatever its length."""
    for is_start in (True, False):
        seen = given(count, is_start=is_start, in_all=900)
        assert [b for time, b, _ in seen if 1000 <= time <= 1000 + 10 * (count - 1)] == list(range(count))


def test_scenes_are_told_apart() -> None:
    """V-10: a slow change is none."""
    one, two = frames(2)
    assert not is_cut(one, two)
    (*_, before, after) = frames(29, cut_at=28)
    assert is_cut(before, after)
