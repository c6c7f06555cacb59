"""V-04: key frames decoded alone are the pictures that decoding everything gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.errors import MediaRefused
from opendrape.media.key_pictures import read_key_pictures
from opendrape.media.probe import ProbeResult
from tests.integration.media.footage import LIMITS, clip, descriptor, pattern, pictures, probed

KEYS = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "10", "-sc_threshold", "0", "-pix_fmt", "yuv420p")


def alone(path: Path, found: ProbeResult, frames: tuple[int, ...]) -> dict[int, bytes]:
    """Luma by frame, each key frame by itself."""
    with descriptor(path) as number:
        read = read_key_pictures(number, media=found.media, timeline=found.timeline, frames=frames, limits=LIMITS)
        return {picture.index: bytes(picture.planes[0].memory) for picture in read}


def among_all(path: Path, found: ProbeResult, frames: tuple[int, ...]) -> dict[int, bytes]:
    return {p.index: bytes(p.planes[0].memory) for p in pictures(path, found) if p.index in frames}


@pytest.mark.parametrize("name", ["keys.mp4", "keys.mkv", "keys.ts", "keys.mov"])
def test_they_are_the_same_pictures(tmp_path: Path, name: str) -> None:
    """V-04: with B-frames, in containers that seek well and in those that do not."""
    path = pattern(tmp_path / name, *KEYS, seconds="3")
    found = probed(path)
    frames = found.timeline.key_frames
    assert len(frames) >= 7
    assert alone(path, found, frames) == among_all(path, found, frames)


@pytest.mark.parametrize(
    "name",
    ["odd/negative_start_editlist.mp4", "odd/mpegts.ts", "odd/h264_intra_only.mp4", "odd/flv1.flv", "odd/vp9.webm"],
)
def test_also_in_odd_files(name: str) -> None:
    """V-04, V-10: edit lists, transport streams, old codecs."""
    path = clip(name)
    found = probed(path)
    frames = found.timeline.key_frames
    assert alone(path, found, frames) == among_all(path, found, frames)


def test_other_frames_are_refused(tmp_path: Path) -> None:
    """V-04: only a key frame can be decoded alone."""
    path = pattern(tmp_path / "keys.mp4", *KEYS)
    found = probed(path)
    with pytest.raises(ValueError, match="not a key frame"):
        alone(path, found, (1,))


def test_another_format_than_the_probe_saw_is_refused(tmp_path: Path) -> None:
    """V-16: what changed since the probe is not surveyed."""
    path = pattern(tmp_path / "keys.mp4", *KEYS)
    found = probed(path)
    other = ProbeResult(found.media.model_copy(update={"width": 64}), found.timeline)
    with pytest.raises(MediaRefused) as refused:
        alone(path, other, (0,))
    assert refused.value.reason == "changing_resolution"
