"""Which small clips the media tests make or find, and what an independent FFmpeg says about a file."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import pytest

from opendrape.domain.policy import EncodeRule
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.assemble import assemble
from opendrape.media.limits import MediaLimits
from opendrape.media.probe import ProbeResult, probe
from opendrape.media.reader import Picture, read_pictures
from opendrape.media.writer import ChunkWriter

LIMITS = MediaLimits()
FAST = EncodeRule(preset="ultrafast", crf=24)
_ROOT = Path(__file__).resolve().parents[3]
_SIZE = re.compile(r"#dimensions 0: (\d+)x(\d+)")
_BASE = re.compile(r"#tb 0: (\d+)/(\d+)")


def clip(name: str) -> Path:
    """A clip of the development media; skips the test when they are not there."""
    folder = Path(os.environ.get("OPENDRAPE_TEST_MEDIA", _ROOT.parent / "shared" / "media" / "dev"))
    path = folder / name
    if not path.is_file():
        pytest.skip("needs the clips under OPENDRAPE_TEST_MEDIA")
    return path


def ffmpeg(*arguments: str | Path) -> str:
    """Run the independent FFmpeg; its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def pattern(path: Path, *arguments: str, size: str = "192x128", rate: str = "25", seconds: str = "1") -> Path:
    """A moving test pattern, encoded with ``arguments``."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}", *arguments, path)
    return path


class Shown(NamedTuple):
    """What an independent decoder shows: time of each frame, and a digest of its pixels."""

    size: tuple[int, int]
    seconds: tuple[Fraction, ...]
    digests: tuple[str, ...]


def shown(path: Path) -> Shown:
    """Decode the first real video stream of ``path`` with the independent FFmpeg."""
    text = ffmpeg(
        *("-noautorotate", "-copyts", "-i", path, "-map", "0:V:0"),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framemd5", "-"),
    )
    size, base = _SIZE.search(text), _BASE.search(text)
    assert size
    assert base
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    unit = Fraction(int(base[1]), int(base[2]))
    return Shown(
        (int(size[1]), int(size[2])),
        tuple(int(row[2]) * unit for row in rows),
        tuple(row[-1].strip() for row in rows),
    )


@contextmanager
def descriptor(path: Path) -> Iterator[int]:
    """``path`` opened for reading."""
    number = os.open(path, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


def probed(path: Path, limits: MediaLimits = LIMITS) -> ProbeResult:
    """Probe a file."""
    with descriptor(path) as number:
        return probe(number, limits)


def pictures(path: Path, found: ProbeResult, span: FrameSpan | None = None, *, threads: int = 2) -> Iterator[Picture]:
    """The pictures of a span, or of the whole file."""
    wanted = FrameSpan(0, len(found.timeline)) if span is None else span
    with descriptor(path) as number:
        yield from read_pictures(
            number,
            media=found.media,
            timeline=found.timeline,
            span=wanted,
            limits=LIMITS,
            threads=threads,
        )


def write_chunks(
    path: Path, found: ProbeResult, folder: Path, spans: list[FrameSpan], *, encode: EncodeRule = FAST
) -> list[Path]:
    """Every span of a file as a chunk, unmasked."""
    chunks = []
    for number, span in enumerate(spans):
        chunk = folder / f"{number}.chunk"
        with ChunkWriter(chunk, media=found.media, encode=encode, threads=2) as writer:
            for picture in pictures(path, found, span):
                writer.write(picture)
        chunks.append(chunk)
    return chunks


def halves(timeline: Timeline) -> list[FrameSpan]:
    """Two spans, or one for a single frame."""
    middle = len(timeline) // 2
    spans = [FrameSpan(0, middle), FrameSpan(middle, len(timeline))]
    return [span for span in spans if span]


def through(path: Path, folder: Path) -> tuple[ProbeResult, list[Path], Path]:
    """Probe, write two chunks, assemble: facts, chunks and the written file."""
    found = probed(path)
    chunks = write_chunks(path, found, folder, halves(found.timeline))
    destination = folder / "out.mp4"
    assemble(chunks, destination, media=found.media, timeline=found.timeline)
    return found, chunks, destination
