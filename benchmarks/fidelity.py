"""What is kept of every kind of video, and what is refused and why: the fidelity table (V-10).

``python -m benchmarks.fidelity [--odd FOLDER] [--out docs/benchmarks]`` masks every file with ``opendrape mask`` under
the policy ``minimal`` and holds the output against the source: times by another FFmpeg, facts by the probe, pixels
against a plain transcode with the same settings.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.fidelity_sources import ffmpeg, make_all
from opendrape.domain.media_info import FieldOrder, MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.media.limits import MediaLimits
from opendrape.media.probe import probe

_ROOT = Path(__file__).resolve().parents[1]
_FACTS = (
    *("frame_count", "width", "height", "sample_aspect_ratio", "display_matrix"),
    *("bit_depth", "colour", "field_order"),
)
_REFUSED_LINE = re.compile(r"error: (?P<reason>.+)")
_PSNR = re.compile(r"psnr_avg:(\S+)")
_MOST_LOST_DB = 0.5


@dataclass(frozen=True)
class Row:
    """One line of the table. ``lost_db``: the frame that is furthest below the plain transcode."""

    file: str
    kind: str
    end: str
    reason: str = ""
    frames: int = 0
    differs: tuple[str, ...] = ()
    facts: str = ""
    lost_db: float | None = None

    @property
    def is_faithful(self) -> bool:
        """Kept with nothing changed, or refused with a reason."""
        if self.end == "refused":
            return bool(self.reason)
        return not self.differs and (self.lost_db is None or self.lost_db <= _MOST_LOST_DB)


def look_at(path: Path, kind: str, folder: Path) -> Row:
    """Mask one file and compare."""
    output = folder / f"{path.name}.mp4"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "opendrape.cli", "mask", str(path), "--policy", "minimal", "--json", "--quiet"),
            *("--output", str(output), "--state-dir", str(folder / "state")),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=_ROOT,
    )
    if done.returncode:
        reason = _REFUSED_LINE.search(done.stderr)
        return Row(path.name, kind, "refused", reason["reason"] if reason else f"exit code {done.returncode}")
    before, timeline = _probed(path)
    after, _ = _probed(output)
    differs = [fact for fact in _FACTS if getattr(before, fact) != getattr(after, fact)]
    if before.pixel_format.replace("j", "") != after.pixel_format.replace("j", ""):
        differs.append("chroma")
    expected = [(tick - before.origin_tick) * timeline.time_base for tick in timeline.ticks]
    if _shown_seconds(output) != expected:
        differs.append("times")
    lost = _lost_db(path, output, before, folder)
    return Row(path.name, kind, "kept", "", before.frame_count, tuple(differs), _in_words(before), lost)


def _probed(path: Path) -> tuple[MediaInfo, Timeline]:
    with path.open("rb") as file:
        found = probe(file.fileno(), MediaLimits())
    return found.media, found.timeline


def _shown_seconds(path: Path) -> list[Fraction]:
    text = ffmpeg(
        *("-noautorotate", "-copyts", "-i", path, "-map", "0:V:0", "-fps_mode", "passthrough"),
        *("-enc_time_base", "demux", "-f", "framemd5", "-"),
    )
    base = re.search(r"#tb 0: (\d+)/(\d+)", text)
    assert base is not None
    unit = Fraction(int(base[1]), int(base[2]))
    return [int(line.split(",")[2]) * unit for line in text.splitlines() if not line.startswith("#")]


def _lost_db(source: Path, output: Path, media: MediaInfo, folder: Path) -> float:
    plain = folder / "plain.mkv"
    fields = ("-flags", "+ilme+ildct") if media.field_order is not FieldOrder.PROGRESSIVE else ()
    every = ("-noautorotate", "-i", source, "-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "demux")
    ffmpeg(*every, "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-threads", "2", *fields, plain)
    ours, theirs = _psnr(source, output, folder), _psnr(source, plain, folder)
    if len(ours) != len(theirs):
        return math.inf
    return max(their - our for our, their in zip(ours, theirs, strict=True))


def _psnr(source: Path, written: Path, folder: Path) -> list[float]:
    """Per frame, in order of presentation, whatever the times; 99 for equal frames."""
    notes = folder / "psnr.log"
    graph = f"[0:V:0]setpts=N/TB[a];[1:V:0]setpts=N/TB[b];[a][b]psnr=stats_file={notes}"
    inputs = ("-noautorotate", "-i", source, "-noautorotate", "-i", written)
    ffmpeg(*inputs, "-lavfi", graph, "-fps_mode", "passthrough", "-f", "null", "-")
    return [min(99.0, float(found)) for found in _PSNR.findall(notes.read_text())]


def _in_words(media: MediaInfo) -> str:
    words = [f"{media.width}x{media.height}", media.pixel_format]
    if media.sample_aspect_ratio != (1, 1):
        words.append("SAR {}:{}".format(*media.sample_aspect_ratio))
    if media.display_matrix is not None:
        words.append("turned")
    if media.field_order is not FieldOrder.PROGRESSIVE:
        words.append(str(media.field_order))
    if media.variable_frame_rate:
        words.append("variable rate")
    return ", ".join(words)


def as_table(rows: list[Row]) -> str:
    """The table as a page."""
    lines = [
        "# What is kept of every kind of video",
        "",
        "Every file goes through `opendrape mask --policy minimal`. Kept: frame count, every time (by another FFmpeg),",
        "size, sample aspect, rotation, bit depth, chroma, colour tags and fields equal the source's. Lost: the frame",
        "that is furthest below a plain transcode with the same settings (libx264 veryfast, crf 20), in dB; < 0:",
        "every frame is better. V-10 allows 0.5. Made again by `python -m benchmarks.fidelity`.",
        "",
        "| File | Kind | End | Frames | Facts | Differs | Lost dB |",
        "|---|---|---|---:|---|---|---:|",
    ]
    for row in rows:
        end = row.end if row.end == "kept" else f"refused: {row.reason}"
        lost = "" if row.lost_db is None else f"{row.lost_db:.2f}"
        cells = (row.file, row.kind, end, str(row.frames or ""), row.facts, ", ".join(row.differs), lost)
        lines.append(f"| {' | '.join(cells)} |")
    kept = [row for row in rows if row.end == "kept"]
    faithful = sum(row.is_faithful for row in rows)
    lines += ["", f"{len(rows)} files: {len(kept)} kept, {len(rows) - len(kept)} refused; {faithful} as promised.", ""]
    return "\n".join(lines)


def main() -> None:
    """Write ``fidelity.md`` and ``fidelity.json``; the exit code says whether every file is as promised."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--odd", type=Path, default=_ROOT.parent / "shared" / "media" / "dev" / "odd")
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "benchmarks")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "made").mkdir()
        files: list[tuple[str, Path]] = [("odd file", path) for path in sorted(chosen.odd.iterdir())]
        rows = [look_at(path, kind, folder) for kind, path in files + make_all(folder / "made")]
    chosen.out.joinpath("fidelity.md").write_text(as_table(rows), "utf-8")
    answer: dict[str, Any] = {"rows": [asdict(row) for row in rows]}
    chosen.out.joinpath("fidelity.json").write_text(json.dumps(answer, indent=1, default=str), "utf-8")
    sys.exit(any(not row.is_faithful for row in rows))


if __name__ == "__main__":
    main()
