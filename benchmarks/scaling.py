"""How much sooner is one long video done when two or four maskers, one thread each, share its chunks?

Each masker, and whatever it starts, is held to one core by the system's affinity: a child of "one thread" still
decodes, looks and encodes in threads beside each other. Two runs on one machine that share nothing say what its cores
allow.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
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
    with fleet(folder, environment, maskers=maskers) as services:
        for number in range(maskers):
            process = services[f"masker-{number + 1}"].process
            assert process is not None
            hold(process.process.pid, number)
        done = subprocess.run([*command, "--json", "--quiet"], env=client, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    [asset] = json.loads(done.stdout)["assets"]
    with _environment(client):
        with opened_records(Settings()) as records:
            items = records.catalogue.work_items(asset["asset"])
            return spans_of(items, records.catalogue.audit_events(asset["asset"]))


def core_of(number: int) -> int:
    """The cores in turn."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[number % len(cores)]


def hold(pid: int, number: int) -> None:
    """Keep a process on one core: all its threads, and so whatever they start."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core_of(number)})


def apart(source: Path, folder: Path, models: Path, site: Path, runs: int) -> float:
    """Wall seconds of so many one-machine runs at once, each on a core of its own, nothing shared."""
    started = []
    begun = time.monotonic()
    for number in range(runs):
        state = folder / f"state-{runs}-{number}"
        state.mkdir(parents=True)
        (state / "models").symlink_to(models, target_is_directory=True)
        environment = os.environ | {
            "OPENDRAPE_STATE_DIR": str(state),
            "OPENDRAPE_POLICIES_DIR": str(site),
            "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
            "OPENDRAPE_MASKER__THREADS": "1",
        }
        command = [sys.executable, "-m", "opendrape.cli", "run", str(source), "--policy", _POLICY, "--quiet"]
        held = ["taskset", "--cpu-list", str(core_of(number)), *command, "--output", str(state / "out")]
        started.append(subprocess.Popen(held, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL))
    codes = [process.wait() for process in started]
    if any(codes):
        raise SystemExit("a run on one machine failed")
    return time.monotonic() - begun


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


def table(rows: Mapping[int, list[Spans]], *, seconds: int, chunk_seconds: int, ceiling: float) -> str:
    """The page."""
    one = median(spans.mask for spans in rows[1])
    lines = [
        "# One long video, several maskers",
        "",
        f"`python -m benchmarks.scaling`: {seconds} s of 720p with a crowd, chunks of {chunk_seconds} s, policy",
        "`faces`, each masker and its children held to one core, services over one disk; medians of the rounds.",
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
    lines += [
        "",
        f"**What the cores allow**: two runs at once that share nothing, a core each, do {ceiling:.2f}x of one.",
        "More than that no way of sharing chunks can reach on this machine; more maskers than cores only show that",
        "nothing gets worse.",
    ]
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
    parser.add_argument("--seconds", type=int, default=24)
    parser.add_argument("--chunk-seconds", type=int, default=2)
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
        models = given.models.absolute()
        (folder / "short").mkdir()
        make_long(folder / "short" / "short.mp4", given.chunk_seconds * 2)
        alone = apart(folder / "short", folder, models, site, 1)
        ceiling = 2 * alone / apart(folder / "short", folder, models, site, 2)
        print(f"two runs apart: {ceiling:.2f}x of one", flush=True)
        for number in range(given.rounds):
            for maskers, spans in rows.items():
                place = folder / f"{number}-{maskers}"
                place.mkdir()
                spans.append(journey(folder / "in", place, models, site, maskers))
                print(maskers, spans[-1], flush=True)
            page = table(rows, seconds=given.seconds, chunk_seconds=given.chunk_seconds, ceiling=ceiling)
            (_OUT / "scaling.md").write_text(page)
            (_OUT / "scaling.json").write_text(json.dumps(recorded(rows[min(rows)]), indent=1) + "\n")
    print((_OUT / "scaling.md").read_text())


if __name__ == "__main__":
    main()
