"""How good each frame of a written file is beside its source: PSNR in dB over all planes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from opendrape.domain.timeline import FrameSpan, Timeline
from tests.integration.media.footage import ffmpeg

_SAME = 99.0


def psnr_of_frames(source: Path, written: Path) -> list[float]:
    """dB per frame; 99 for frames that are equal."""
    return [_psnr(*pair) for pair in zip(_pictures(source), _pictures(written), strict=True)]


def plain_transcode(source: Path, folder: Path, spans: list[FrameSpan], timeline: Timeline, *, crf: int = 20) -> Path:
    """What FFmpeg makes of ``source`` in one go with the same settings, with key frames where ``spans`` start."""
    target = folder / "plain.mkv"
    times = [_just_before(timeline, span.start) for span in spans if span.start]
    keys = ("-force_key_frames", ",".join(times), "-forced-idr", "1") if times else ()
    every = ("-noautorotate", "-copyts", "-i", source, "-map", "0:V:0", "-fps_mode", "passthrough")
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-threads", "2")
    ffmpeg(*every, "-enc_time_base", "demux", *keys, *coding, target)
    return target


def cut_every(frames: int, count: int) -> list[FrameSpan]:
    """Spans of ``frames`` frames; the last takes what is left."""
    return [FrameSpan(a, b) for a, b in pairwise([*range(0, count - frames // 2, frames), count])]


def _just_before(timeline: Timeline, frame: int) -> str:
    tick = timeline.ticks[frame] - (timeline.ticks[frame] - timeline.ticks[frame - 1]) * 0.4
    return f"{float(tick * timeline.time_base):.6f}"


def _pictures(path: Path) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            bits = frame.format.components[0].bits
            dtype = np.uint8 if bits <= 8 else np.uint16
            yield bits, [_rows(plane, dtype) for plane in frame.planes]


def _rows(plane: av.video.plane.VideoPlane, dtype: type[np.generic]) -> NDArray[np.float32]:
    rows = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
    return rows[:, : plane.width].astype(np.float32)


def _psnr(one: tuple[int, list[NDArray[np.float32]]], other: tuple[int, list[NDArray[np.float32]]]) -> float:
    error = sum(float(((a - b) ** 2).sum()) for a, b in zip(one[1], other[1], strict=True))
    samples = sum(a.size for a in one[1])
    peak = (1 << one[0]) - 1
    return _SAME if error == 0 else 10 * math.log10(peak * peak * samples / error)
