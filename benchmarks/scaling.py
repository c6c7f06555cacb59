"""How much sooner is one long video done when two or four maskers, one thread each, share its chunks?"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import imageio_ffmpeg  # type: ignore[import-untyped]

from benchmarks.machine import ROOT, machine, test_media
from opendrape.bootstrap import opened_records
from opendrape.domain.audit import AuditEvent
from opendrape.domain.work import WorkItem, WorkKind
from opendrape.settings import Settings
from tests.servers.fleet import fleet, shared_folders

_OUT = ROOT / "docs" / "benchmarks"
_POLICY = "scaling"
_WRITTEN = ("-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "30", "-bf", "2")


@dataclass(frozen=True)
class Spans:
    """Wall seconds of one journey. ``mask`` from the first chunk taken to the last one done."""

    plan: float
    mask: float
    assemble: float
    deliver: float
    total: float
    chunks: tuple[float, ...]

    @property
    def serial_fraction(self) -> float:
        """Planning and assembling, of the whole without reading back and signing."""
        return (self.plan + self.assemble) / (self.plan + self.mask + self.assemble)


def make_long(path: Path, seconds: int) -> None:
    """The crowd clip again and again: 720p, a key frame every second."""
    clip = test_media() / "bench" / "crowd_1080p30_12s.mp4"
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(clip)]
    subprocess.run([*program, "-vf", "scale=1280:720", "-t", str(seconds), *_WRITTEN, str(path)], check=True)


def policies(folder: Path, chunk_seconds: int) -> Path:
    """The policy ``faces`` with short chunks, under a name of its own."""
    folder.mkdir()
    text = (ROOT / "policies" / "faces.toml").read_text().replace('name = "faces"', f'name = "{_POLICY}"')
    lines = [line for line in text.splitlines() if not line.startswith("chunk_seconds")]
    at = next(number for number, line in enumerate(lines) if line.startswith("name ="))
    lines.insert(at, f'chunk_seconds = "{chunk_seconds}"')
    (folder / f"{_POLICY}.toml").write_text("\n".join(lines) + "\n")
    return folder


def journey(source: Path, folder: Path, models: Path, site: Path, maskers: int) -> Spans:
    """One run through fresh processes with an empty ledger."""
    environment = shared_folders(folder, models) | {
        "OPENDRAPE_POLICIES_DIR": str(site),
        "OPENDRAPE_WORK__LEASE_SECONDS": "60",
        "OPENDRAPE_MASKER__THREADS": "1",
    }
    client = os.environ | environment | {"OPENDRAPE_STATE_DIR": str(folder / "client")}
    command = [sys.executable, "-m", "opendrape.cli", "run", str(source), "--cluster", "--policy", _POLICY]
    with fleet(folder, environment, maskers=maskers):
        done = subprocess.run([*command, "--json", "--quiet"], env=client, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    [asset] = json.loads(done.stdout)["assets"]
    with _environment(client):
        with opened_records(Settings()) as records:
            items = records.catalogue.work_items(asset["asset"])
            return spans_of(items, records.catalogue.audit_events(asset["asset"]))


def spans_of(items: list[WorkItem] | tuple[WorkItem, ...], events: list[AuditEvent] | tuple[AuditEvent, ...]) -> Spans:
    """From the audit: when each item was taken and done."""
    kinds = {item.item_id: item.kind for item in items}
    taken: dict[int, datetime] = {}
    done: dict[int, datetime] = {}
    for event in events:
        item = int(event.facts.get("item", -1))
        if event.action == "work.leased":
            taken[item] = event.at
        elif event.action == "work.done":
            done[item] = event.at

    def span(kind: WorkKind) -> float:
        mine = [item for item, its in kinds.items() if its is kind]
        return (max(done[item] for item in mine) - min(taken[item] for item in mine)).total_seconds()

    chunks = [(done[i] - taken[i]).total_seconds() for i, kind in kinds.items() if kind is WorkKind.MASK]
    return Spans(
        plan=span(WorkKind.PLAN),
        mask=span(WorkKind.MASK),
        assemble=span(WorkKind.ASSEMBLE),
        deliver=span(WorkKind.DELIVER),
        total=(max(done.values()) - min(taken.values())).total_seconds(),
        chunks=tuple(chunks),
    )


@contextlib.contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def table(rows: Mapping[int, list[Spans]], *, seconds: int, chunk_seconds: int) -> str:
    """The page."""
    one = median(spans.mask for spans in rows[1])
    lines = [
        "# One long video, several maskers",
        "",
        f"`python -m benchmarks.scaling`: {seconds} s of 720p with a crowd, chunks of {chunk_seconds} s, policy",
        "`faces`, one process a masker with one thread, services over one disk; medians of the rounds.",
        "",
        "| maskers | plan s | mask s | assemble s | deliver (reads back) s | masking, of one masker's | serial part |",
        "|---|---|---|---|---|---|---|",
    ]
    for maskers, rounds in rows.items():
        mask = median(r.mask for r in rounds)
        cells = (
            f"{median(r.plan for r in rounds):.2f} | {mask:.1f} | {median(r.assemble for r in rounds):.2f} | "
            f"{median(r.deliver for r in rounds):.2f} | {one / mask:.2f}x | "
            f"{100 * median(r.serial_fraction for r in rounds):.1f} %"
        )
        lines.append(f"| {maskers} | {cells} |")
    facts = ", ".join(f"{key}: {value}" for key, value in machine().items())
    return "\n".join([*lines, "", f"Measured on {facts}.", ""])


def recorded(rounds: list[Spans]) -> dict[str, float | list[float]]:
    """Seconds of each item where nobody shared the machine: what the simulation draws from."""
    return {
        "plan": round(median(r.plan for r in rounds), 3),
        "chunks": [round(seconds, 2) for r in rounds for seconds in r.chunks],
        "assemble": round(median(r.assemble for r in rounds), 3),
        "deliver": round(median(r.deliver for r in rounds), 3),
    }


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--chunk-seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--maskers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    given = parser.parse_args()
    rows: dict[int, list[Spans]] = {maskers: [] for maskers in given.maskers}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        make_long(folder / "in" / "long.mp4", given.seconds)
        site = policies(folder / "policies", given.chunk_seconds)
        for number in range(given.rounds):
            for maskers, spans in rows.items():
                place = folder / f"{number}-{maskers}"
                place.mkdir()
                spans.append(journey(folder / "in", place, given.models.absolute(), site, maskers))
                print(maskers, spans[-1], flush=True)
            (_OUT / "scaling.md").write_text(table(rows, seconds=given.seconds, chunk_seconds=given.chunk_seconds))
            (_OUT / "scaling.json").write_text(json.dumps(recorded(rows[min(rows)]), indent=1) + "\n")
    print((_OUT / "scaling.md").read_text())


if __name__ == "__main__":
    main()
