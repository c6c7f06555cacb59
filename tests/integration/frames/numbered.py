"""A clip whose every frame says its number, a policy that marks a corner of it, and one delivered video of both."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np

from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.states import AssetState
from opendrape.embedded import embedded
from opendrape.settings import FrameSettings, IngestSettings, Settings, WorkSettings
from opendrape_ingest.scan import scan

WIDTH, HEIGHT, FRAMES = 192, 128, 150
BITS, BLOCK = 12, 16
MARKED = (0, 0, 64, 48)
"""The corner that the policy hides: x, y, width, height."""

CORNER = f"""
version = 1
name = "corner"
summary = "Hides one corner; no model is needed."
chunk_seconds = "2"

[device]
id = "bench"
version = 1
verified = true
vendor = "bench"
model = "bench"
frame_width = {WIDTH}
frame_height = {HEIGHT}

[[device.region]]
x = {MARKED[0]}
y = {MARKED[1]}
width = {MARKED[2]}
height = {MARKED[3]}
reason = "corner"
"""


def numbered_clip(path: Path, frames: int = FRAMES) -> Path:
    """H.264 with B-frames and a variable frame rate; the number is written in black and white blocks at the bottom."""
    speed = "settb=1/1000,setpts='(N*3+gt(mod(N,7),3)+gt(mod(N,5),2))/50/TB'"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "gray"]
    command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", "25", "-i", "-", "-vf", speed, "-fps_mode", "passthrough"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "2", "-g", "20", "-pix_fmt", "yuv420p"]
    command += ["-enc_time_base", "1/1000", "-video_track_timescale", "1000"]
    content = b"".join(_numbered(number).tobytes() for number in range(frames))
    subprocess.run([*command, str(path)], input=content, check=True, timeout=60)
    return path


def _numbered(number: int) -> Any:
    pixels = np.full((HEIGHT, WIDTH), 150, np.uint8)
    pixels[:, (number * 3) % WIDTH] = 100
    for bit in range(BITS):
        pixels[-BLOCK:, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 20
    return pixels


def number_on(pixels: Any) -> int:
    """What a picture says about itself."""
    inside = pixels[-BLOCK + 4 : -4].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(BITS) if inside[bit * BLOCK + 4 : (bit + 1) * BLOCK - 4].mean() > 128)


def shown_corner(pixels: Any) -> Any:
    """The marked corner, a little inside its rim."""
    x, y, width, height = MARKED
    return pixels[y : y + height - 2, x : x + width - 2]


def opened(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest, and pixels (BGR) by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        names = [name for name in archive.namelist() if name != "manifest.json"]
        return manifest, {n: cv2.imdecode(np.frombuffer(archive.read(n), np.uint8), cv2.IMREAD_COLOR) for n in names}


def seconds_by_ffprobe(path: Path) -> list[Fraction]:
    """Presentation times after the first frame's, by another program."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=time_base:packet=pts"]
    told = json.loads(subprocess.run([*command, "-of", "json", str(path)], check=True, capture_output=True).stdout)
    ticks = sorted(int(packet["pts"]) for packet in told["packets"])
    return [(tick - ticks[0]) * Fraction(told["streams"][0]["time_base"]) for tick in ticks]


def settings_in(folder: Path, **frames: Any) -> Settings:
    """A state folder with a site's policy; intermediate results are kept, so that both ways can be compared."""
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "corner.toml").write_text(CORNER)
    return Settings(
        state_dir=folder / "state",
        destination=folder / "out",
        policies_dir=folder / "policies",
        ingest=IngestSettings(stable_seconds=0),
        work=WorkSettings(keep_intermediate=True, sweep_seconds=0.2),
        frames=FrameSettings(default_level="corner", **frames),
    )


@contextmanager
def delivered(folder: Path, clip: Path, **frames: Any) -> Iterator[tuple[Container, str]]:
    """A container whose only video went all the way, and the video's pseudonym; no worker runs any more."""
    container = bootstrap(settings_in(folder, **frames))
    with container.resources:
        policy = container.policies.get("corner")
        container.policies.remember(policy)
        with embedded(container) as services:
            found = scan(container, clip, policy)
            while not services.is_idle():
                services.check()
                services.pause(0.2)
        (asset_id,) = found.asset_ids
        assert container.catalogue.asset(asset_id).state is AssetState.DELIVERED
        yield container, asset_id


def decoded(path: Path) -> Any:
    """Every frame's luma in presentation order, by another program: frames x height x width."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    content = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(content, np.uint8).reshape(-1, HEIGHT, WIDTH)
