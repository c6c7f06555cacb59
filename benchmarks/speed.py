"""How fast this engine is beside deface and a plain transcode: same clip, one run, interleaved, medians."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import imageio_ffmpeg  # type: ignore[import-untyped]

from benchmarks.contestants import Contestant, decode_only, deface_at, run, this_engine, transcode
from benchmarks.deface_venv import Peer, deface
from benchmarks.machine import ROOT, machine, test_media, versions

_OUT = ROOT / "docs" / "benchmarks"


@dataclass(frozen=True, slots=True)
class Result:
    """One row: median frames per second of ``runs`` runs, slowest and fastest, or why there is none."""

    name: str
    runs: int
    fps: float | None
    slowest: float | None
    fastest: float | None
    failure: str


def measure(clip: Path, contestants: list[Contestant], *, repeats: int, slow_repeats: int) -> list[Result]:
    """Round by round, so that a noisy minute hits everybody. The engine's first run (models) is not counted."""
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(clip))
    seconds: dict[str, list[float]] = {each.name: [] for each in contestants}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        run(this_engine(), clip, out)
        for number in range(max(repeats, slow_repeats)):
            for each in contestants:
                if number >= (slow_repeats if each.slow else repeats) or each.name in failures:
                    continue
                attempt = run(each, clip, out)
                if attempt.seconds is None:
                    failures[each.name] = attempt.failure
                else:
                    seconds[each.name].append(attempt.seconds)
    return [_result(each.name, frames, seconds[each.name], failures.get(each.name, "")) for each in contestants]


def _result(name: str, frames: int, seconds: list[float], failure: str) -> Result:
    if failure or not seconds:
        return Result(name, 0, None, None, None, failure or "not run")
    rates = [frames / each for each in seconds]
    return Result(name, len(rates), median(rates), min(rates), max(rates), "")


def table(results: list[Result]) -> str:
    """Markdown: rate, spread and ratios to the transcode and to deface at both sizes."""
    rates = {result.name: result.fps for result in results}
    transcode_fps = rates.get(transcode().name)
    peers = [rates.get("deface default"), rates.get("deface 640x360")]
    lines = [
        "| program | runs | median fps | slowest-fastest | to transcode | to deface default | to deface 640x360 |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        if one.fps is None:
            lines.append(f"| {one.name} | 0 | not measured: {one.failure} | | | | |")
            continue
        ratios = " | ".join(_ratio(one.fps, other) for other in (transcode_fps, *peers))
        lines.append(f"| {one.name} | {one.runs} | {one.fps:.1f} | {one.slowest:.1f}-{one.fastest:.1f} | {ratios} |")
    return "\n".join(lines)


def _ratio(rate: float, other: float | None) -> str:
    return f"{rate / other:.2f}x" if other else "-"


def report(results: dict[str, list[Result]], peer: Peer) -> str:
    """The page ``docs/benchmarks/speed.md``."""
    shape = ", ".join(f"{name} {value}" for name, value in machine().items())
    used = ", ".join([*(f"{name} {value}" for name, value in versions().items()), *peer.versions])
    parts = [
        "# Speed",
        "Written by `make bench`; do not edit. Wall time from start to exit of each program, its start included. Runs",
        "are interleaved in one session. The engine's run includes text detection, the second look at the written",
        "file and every check; the peer's run is detection of faces and encoding. Trust ratios inside one table, not",
        "absolute figures.",
        f"\nMachine: {shape}.\n\nVersions: {used}.",
    ]
    return "\n".join([*parts, *(f"\n## {clip}\n\n{table(rows)}" for clip, rows in results.items())]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure and write page and JSON; 1 when this engine has no figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="default: bench/face_720p30_12s.mp4 of the test media")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slow-repeats", type=int, default=1, help="rounds in which deface takes part")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for speed.md and speed.json")
    options = parser.parse_args(arguments)
    peer = deface()
    field = [transcode(), decode_only(), this_engine(), deface_at(peer, scale=None), deface_at(peer, scale="640x360")]
    clips = options.clips or [test_media() / "bench" / "face_720p30_12s.mp4"]
    rounds = {"repeats": options.repeats, "slow_repeats": options.slow_repeats}
    results = {clip.name: measure(clip, field, **rounds) for clip in clips}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "speed.md").write_text(report(results, peer), encoding="utf-8")
    facts = {"machine": machine(), "versions": versions(), "peer": peer.versions}
    rows = {clip: [_row(one) for one in rows] for clip, rows in results.items()}
    (options.out / "speed.json").write_text(json.dumps(facts | {"clips": rows}, indent=1) + "\n", encoding="utf-8")
    ours = this_engine().name
    return int(any(one.name == ours and one.fps is None for rows in results.values() for one in rows))


def _row(result: Result) -> dict[str, object]:
    return {name: getattr(result, name) for name in ("name", "runs", "fps", "slowest", "fastest", "failure")}


if __name__ == "__main__":
    raise SystemExit(main())
