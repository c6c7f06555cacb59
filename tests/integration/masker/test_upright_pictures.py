"""V-12: a picture of a frame shows what an independent FFmpeg shows: colours, range, bit depth, turned and mirrored."""

from __future__ import annotations

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from opendrape.domain.timeline import FrameSpan
from opendrape.media.reader import read_pictures
from opendrape_masker.frames.pictures import encoded, upright
from tests.integration.media.footage import LIMITS, clip, descriptor, probed

pytestmark = pytest.mark.media
NAMES = (
    *("rotated90_displaymatrix.mp4", "hflip_displaymatrix.mp4", "h264_fullrange_j420.mp4", "h264_high10.mp4"),
    *("h264_444.mp4", "h264_size_638x358_crop.mp4", "prores.mov", "mjpeg.avi", "vp9.webm"),
)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_frame_is_shown_as_by_another_program(name: str) -> None:
    """Size exactly, colours up to rounding."""
    path = clip(f"odd/{name}")
    found = probed(path)
    with descriptor(path) as source:
        (picture,) = read_pictures(
            source, media=found.media, timeline=found.timeline, span=FrameSpan(0, 1), limits=LIMITS, threads=1
        )
        mine = upright(picture, found.media)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), "-frames:v", "1"]
    command += ["-pix_fmt", "bgr24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert len(raw) == mine.size
    theirs = np.frombuffer(raw, np.uint8).reshape(mine.shape)
    assert np.abs(mine.astype(int) - theirs.astype(int)).mean() < 2.5
    assert encoded(mine, "png")[:4] == b"\x89PNG"
