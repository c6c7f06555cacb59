"""How much of endoscopic pictures is masked although nothing that tells who somebody is stands there."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants import run, this_engine
from benchmarks.coverage import became_black, lumas
from benchmarks.machine import ROOT, machine, test_media, versions

_OUT = ROOT / "docs" / "benchmarks"
_MARGIN = 0.75  # heights of a line of text around it that its mask may take


@dataclass(frozen=True, slots=True)
class Row:
    """Shares of the picture, 0..1, that became black away from true text: mean over the frames, and the worst frame."""

    clip: str
    frames: int
    mean: float
    worst: float
    frames_touched: int


def judge(clip: Path, policy: str) -> Row:
    """Mask the clip and count. ``SystemExit`` when it was not masked."""
    truth = _true_text(clip)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        attempt = run(this_engine(policy), clip, out)
        if attempt.seconds is None:
            raise SystemExit(f"{clip.name}: {attempt.failure}")
        shares = []
        for number, (before, after) in enumerate(zip(lumas(clip), lumas(out), strict=True)):
            black = became_black(before, after)
            for x0, y0, x1, y1 in truth.get(number, ()):
                margin = (y1 - y0) * _MARGIN
                rows = slice(max(0, int(y0 - margin)), int(y1 + margin) + 1)
                black[rows, max(0, int(x0 - margin)) : int(x1 + margin) + 1] = False
            shares.append(float(np.mean(black)))
    return Row(clip.name, len(shares), float(np.mean(shares)), max(shares), sum(share > 0 for share in shares))


def _true_text(clip: Path) -> dict[int, list[tuple[float, ...]]]:
    annotation = clip.with_suffix(".text_gt.json")
    if not annotation.is_file():
        return {}
    frames: dict[str, list[dict[str, Any]]] = json.loads(annotation.read_text())["frames"]
    return {int(number): [tuple(each["box"]) for each in boxes] for number, boxes in frames.items()}


def page(rows: list[Row], policy: str) -> str:
    """The page ``docs/benchmarks/precision.md``."""
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    shape = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = [
        "# Masked for nothing\n\nWritten by `python -m benchmarks.precision`; do not edit.",
        f"Policy `{policy}` on endoscopic clips without a face. Share of the picture that became black away from",
        "true text (and three quarters of a line's height around it). Goal: under 2 %.\n",
        f"Machine: {shape}.\n\nVersions: {used}.\n",
        "| clip | frames | masked for nothing, mean | worst frame | frames with any |",
        "|---|---|---|---|---|",
        *(f"| {r.clip} | {r.frames} | {r.mean:.2%} | {r.worst:.2%} | {r.frames_touched} |" for r in rows),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Judge the endoscopic clips of the test media, or those given, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--policy", default="faces")
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args(arguments)
    clips = options.clips or sorted((test_media() / "surgical").glob("*.mp4"))
    rows = [judge(clip, options.policy) for clip in clips]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "precision.md").write_text(page(rows, options.policy), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
