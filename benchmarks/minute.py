"""How fast a minute of 1080p is when everything, a tenth or nothing of it is masked, beside transcode and decode."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]

from benchmarks.contestants import Contestant, decode_only, run, this_engine, transcode
from benchmarks.machine import ROOT, machine, test_media

_OUT = ROOT / "docs" / "benchmarks"
_SIZE = "scale=1920:1080,fps=30,format=yuv420p"
_WRITTEN = ("-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "30", "-bf", "2")


@dataclass(frozen=True)
class Source:
    """A video: tenths of it are the crowd clip, at its end, the rest is endoscopic picture without anybody."""

    name: str
    crowd_tenths: int

    def make(self, path: Path, seconds: int) -> None:
        """Write it, a closed group of pictures every second."""
        media = test_media()
        inputs = ["-stream_loop", "-1", "-i", str(media / "surgical" / "laparoscopy_720p_10s.mp4")]
        inputs += ["-stream_loop", "-1", "-i", str(media / "bench" / "crowd_1080p30_12s.mp4")]
        crowd = seconds * self.crowd_tenths // 10
        graph = f"[0:v]{_SIZE},trim=duration={seconds - crowd}[a];[1:v]{_SIZE},trim=duration={crowd}[b]"
        if crowd in (0, seconds):
            graph = f"[{1 if crowd else 0}:v]{_SIZE}[v]"
        else:
            graph += ";[a][b]concat=n=2[v]"
        program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *inputs]
        subprocess.run(
            [*program, "-filter_complex", graph, "-map", "[v]", *_WRITTEN, "-t", str(seconds), str(path)], check=True
        )


SOURCES = (Source("crowd in every group", 10), Source("crowd in a tenth", 1), Source("nobody", 0))


@dataclass(frozen=True)
class Row:
    """Median wall seconds of the whole programs, and of our stages; frames of the groups that were copied."""

    source: str
    transcode: float
    decode: float
    ours: float
    render: float
    check: float
    copied: int
    frames: int
    models: str

    @property
    def cells(self) -> str:
        times = f"{self.transcode:.1f} | {self.decode:.1f} | {self.ours:.1f} | {self.render:.1f} | {self.check:.1f}"
        speeds = f"{self.transcode / self.render:.2f} T | {self.decode / self.render:.2f} D"
        whole = f"{self.transcode / self.ours:.2f} T"
        return f"| {self.source} | {times} | {self.copied} of {self.frames} | {speeds} | {whole} |"


def measure(source: Source, folder: Path, *, repeats: int, seconds: int) -> Row:
    """Interleaved rounds on one source."""
    clip, out = folder / "clip.mp4", folder / "out.mp4"
    source.make(clip, seconds)
    spent: dict[str, list[float]] = {}
    reports: list[Any] = []
    for _ in range(repeats):
        for each in (transcode(), decode_only()):
            spent.setdefault(each.name, []).append(_wall(each, clip, out))
        started = time.perf_counter()
        reports.append(_report(clip, out))
        spent.setdefault("ours", []).append(time.perf_counter() - started)
    stages = {stage: median(one["seconds"][stage] for one in reports) for stage in ("render", "check")}
    return Row(
        source=source.name,
        transcode=median(spent[transcode().name]),
        decode=median(spent[decode_only().name]),
        ours=median(spent["ours"]),
        render=stages["render"],
        check=stages["check"],
        copied=reports[-1]["smart_render"]["copied_frames"],
        models=" ".join(dict.fromkeys(use["model"] for use in reports[-1]["models"])),
        frames=reports[-1]["frames"],
    )


def _wall(contestant: Contestant, clip: Path, out: Path) -> float:
    attempt = run(contestant, clip, out)
    if attempt.seconds is None:
        raise SystemExit(f"{contestant.name}: {attempt.failure}")
    return attempt.seconds


def _report(clip: Path, out: Path) -> Any:
    out.unlink(missing_ok=True)
    ours = this_engine()
    command = [*ours.command(clip, out), "--json"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env={**os.environ, **ours.environment})
    answer = json.loads(done.stdout)
    return answer.get("report", answer)


def main(arguments: list[str] | None = None) -> int:
    """Measure and write ``minute.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=60, help="length of each source")
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args(arguments)
    rows = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(source, Path(folder), repeats=options.repeats, seconds=options.seconds))
    shape = ", ".join(f"{name} {value}" for name, value in machine().items())
    page = [
        f"# {options.seconds} seconds of 1080p",
        "Written by `python -m benchmarks.minute`; do not edit. Wall seconds, medians of interleaved runs. T: plain",
        "transcode (x264 veryfast crf 20), D: decode only. Sources: endoscopic picture without anybody, and the crowd",
        "clip; a group of pictures a second. *Render* is what masks and writes, *check* reads the written file again;",
        f"*ours* is the whole command with its starts.\n\nMachine: {shape}.\n\nModels: {rows[-1].models}.\n",
        "| source | T s | D s | ours s | render s | check s | copied frames | render | render | ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row.cells for row in rows),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "minute.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
