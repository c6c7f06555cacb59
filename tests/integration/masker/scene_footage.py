"""Drawn videos of scenes: tissue, a room, a sheet of paper before a moving camera, lettering that stands still."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from opendrape_masker.synthetic.tissue import Tissue
from tests.integration.masker.workbench import Clip

WIDTH, HEIGHT, RATE = 320, 180, 25
Scene = Callable[[int], np.ndarray]
"""A picture, uint8 ``[180, 320, 3]`` BGR, by frame."""


def drawn(path: Path, scene: Scene, *, frames: int, keys_every: int = 25) -> Clip:
    """Encode ``frames`` pictures with the independent FFmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-", "-pix_fmt", "yuv420p"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-g", str(keys_every), "-sc_threshold", "0"]
    raw = b"".join(scene(frame).tobytes() for frame in range(frames))
    # the pipe is for the pictures, so "-nostdin" must not close it
    command.remove("-nostdin")
    subprocess.run([*command, str(path)], input=raw, check=True, timeout=60)
    return Clip.of(path)


def seen(path: Path) -> np.ndarray:
    """Every picture of a file, uint8 ``[frames, 180, 320]`` grey, decoded by the independent FFmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), "-fps_mode", "passthrough"]
    done = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True, timeout=60
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH)


def tissue(seed: int = 4) -> Scene:
    """Tissue before a moving endoscope."""
    grown = Tissue.grown(WIDTH, HEIGHT, seed=seed)

    def show(frame: int) -> np.ndarray:
        canvas = grown.canvas(frame, frame / RATE * 2)
        blue, red = (cv2.resize(plane, (WIDTH, HEIGHT)) for plane in (canvas.blue, canvas.red))
        return np.asarray(cv2.cvtColor(cv2.merge((canvas.luma, red, blue)), cv2.COLOR_YCrCb2BGR))

    return show


def room(frame: int) -> np.ndarray:
    """White wall, green drape, a grey machine; the camera wanders."""
    picture = np.full((HEIGHT, WIDTH, 3), (205, 210, 208), np.uint8)
    x = int(20 * np.sin(frame / 11))
    cv2.rectangle(picture, (x, 90), (x + 200, HEIGHT), (110, 140, 60), -1)
    cv2.rectangle(picture, (220 + x, 30), (290 + x, 150), (120, 120, 120), -1)
    return picture


def half_out(scene: Scene, share: float) -> Scene:
    """The same with ``share`` of the picture, at its right, a white wall: at 0.40 and 0.45 nobody can tell."""

    def show(frame: int) -> np.ndarray:
        picture = scene(frame).copy()
        picture[:, WIDTH - int(WIDTH * share) :] = (205, 210, 208)
        return picture

    return show


def sheet(frame: int) -> np.ndarray:
    """A written sheet on a dark cloth, in a shaky hand."""
    paper = np.full((HEIGHT, WIDTH, 3), (60, 70, 40), np.uint8)
    cv2.rectangle(paper, (60, 10), (260, 170), (225, 228, 232), -1)
    for row in range(9):
        cv2.putText(paper, "NAME DOE JANE 1961", (68, 30 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1)
    turn = cv2.getRotationMatrix2D((160, 90), 5 * np.sin(frame / 9), 0.95)
    turn[:, 2] += (6 * np.sin(frame / 7), 4 * np.cos(frame / 5))
    return np.asarray(cv2.warpAffine(paper, turn, (WIDTH, HEIGHT), borderValue=(60, 70, 40)))


def lettered(scene: Scene) -> Scene:
    """The same with a line that stands still."""

    def show(frame: int) -> np.ndarray:
        picture = scene(frame).copy()
        cv2.putText(picture, "DOE JANE", (20, 160), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (235, 235, 235), 2)
        return picture

    return show
