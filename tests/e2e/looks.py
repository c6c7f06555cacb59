"""What other people's tools see in a file, before and after: facts, times, pictures, bitstream, by FFmpeg and PyAV."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

Planes = tuple[npt.NDArray[np.uint16], ...]
_BASE = re.compile(r"#tb 0: (\d+)/(\d+)")
_START_CODE = re.compile(rb"\x00\x00\x01")
_FULL = 2


@dataclass(frozen=True)
class Facts:
    """What must be the same in source and output (V-10), and what a player shows."""

    size: tuple[int, int]
    layout: str
    full_range: bool
    colours: tuple[int, int, int]
    sample_aspect: Fraction
    display_matrix: bytes
    fields: str


def facts(path: Path) -> Facts:
    """Facts of the first real video stream, from its first decoded picture."""
    with av.open(str(path)) as container:
        stream = video_stream(container)
        frame = next(container.decode(stream))
        matrix = [bytes(entry) for entry in frame.side_data if entry.type.name == "DISPLAYMATRIX"]
        top_first = bool(int(frame.interlaced_frame)) and stream.codec_context.field_order in (2, 5)
        return Facts(
            size=(frame.width, frame.height),
            layout=frame.format.name.replace("yuvj", "yuv"),
            full_range=frame.format.name.startswith("yuvj") or int(frame.color_range) == _FULL,
            colours=(int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)),
            sample_aspect=Fraction(stream.sample_aspect_ratio or 1),
            display_matrix=matrix[0] if matrix else b"",
            fields="progressive" if not frame.interlaced_frame else "top first" if top_first else "bottom first",
        )


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream that is no cover picture."""
    return next(s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic)


def ffmpeg(*arguments: str | Path) -> bytes:
    """Standard output of the FFmpeg that imageio brings along: another build than the one inside PyAV."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def shown_seconds(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds, as FFmpeg decodes it."""
    wanted = ("-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-s", "16x16")
    text = ffmpeg("-noautorotate", "-copyts", "-i", path, *wanted, "-f", "framecrc", "-").decode()
    base = _BASE.search(text)
    assert base
    unit = Fraction(int(base[1]), int(base[2]))
    return [int(line.split(",")[2]) * unit for line in text.splitlines() if not line.startswith("#")]


def container_start(path: Path) -> Fraction:
    """When the earliest stream of a file begins, in seconds, by its first packets."""
    with av.open(str(path)) as container:
        first: dict[int, Fraction] = {}
        for packet in container.demux():
            if packet.pts is not None:
                second = packet.pts * Fraction(packet.time_base)
                first[packet.stream_index] = min(second, first.get(packet.stream_index, second))
        return min(first.values())


def nal_unit_kinds(path: Path) -> set[int]:
    """nal_unit_type of every unit of the bitstream, parameter sets of the header included."""
    stream = ffmpeg("-i", path, "-map", "0:v:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-")
    return {stream[mark.end()] & 0x1F for mark in _START_CODE.finditer(stream)}


def planes(path: Path) -> Iterator[Planes]:
    """The three planes of every picture, as stored, in presentation order."""
    with av.open(str(path)) as container:
        for frame in container.decode(video_stream(container)):
            kind = np.dtype("<u2") if frame.format.components[0].bits > 8 else np.dtype(np.uint8)
            yield tuple(
                np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(np.uint16)
                for plane in frame.planes
            )


def psnr(one: Planes, other: Planes, outside: Planes, *, peak: int) -> float:
    """Decibels over the samples of all planes where ``outside`` is not zero; infinite when equal."""
    differences = [(a.astype(np.float64) - b)[where > 0] for a, b, where in zip(one, other, outside, strict=True)]
    error = float(np.mean(np.concatenate(differences) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(peak * peak / error))
