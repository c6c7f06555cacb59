"""Where does it get tight with a thousand maskers and a hundred thousand videos? A simulation with recorded times.

Every work item waits for a free worker of its service, in the ledger's order; every claim, heartbeat and completion
waits for the catalogue, which answers ``ledger_per_second`` of them one after another. Nothing else is modelled: no
faults, no network, no storage limit. So it shows which part is busy first, not how long a real site would take.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import ROOT

_OUT = ROOT / "docs" / "benchmarks" / "scaling-simulation.md"
_RECORDED = ROOT / "docs" / "benchmarks" / "scaling.json"
PLAN, MASK, ASSEMBLE, DELIVER = "plan", "mask", "assemble", "deliver"


@dataclass(frozen=True)
class Site:
    """How many of each, and the recorded seconds of one item; ``chunk_seconds`` are drawn from at random."""

    ingests: int
    maskers: int
    uploaders: int
    videos: int
    chunks: int
    plan_seconds: float
    chunk_seconds: tuple[float, ...]
    assemble_seconds: float
    deliver_seconds: float
    ledger_per_second: float
    heartbeat_seconds: float = 5.0


@dataclass
class Service:
    """Workers that take items in order."""

    workers: int
    free: int
    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    busy_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """``busy``: share of the time in which a service's workers, or the catalogue, had something to do."""

    hours: float
    busy: dict[str, float]
    items: int

    @property
    def bottleneck(self) -> str:
        """Whoever is busiest."""
        return max(self.busy, key=lambda name: self.busy[name])


class Simulation:
    """One site from the first registration to the last delivery; everything is registered at the start."""

    def __init__(self, site: Site, seed: int = 1) -> None:
        self._site, self._chance = site, random.Random(seed)
        self._services = {
            name: Service(workers, workers)
            for name, workers in (("ingest", site.ingests), ("masker", site.maskers), ("uploader", site.uploaders))
        }
        self._left = [site.chunks] * site.videos
        self._events: list[tuple[float, int, str, int]] = []
        self._ledger_free_at = self._ledger_busy = 0.0
        self._items = 0

    def run(self) -> Outcome:
        """Until nothing is left."""
        now = 0.0
        for video in range(self._site.videos):
            self._offer(PLAN, video, now)
        while self._events:
            now, _, kind, video = heapq.heappop(self._events)
            self._done(kind, video, now)
        busy = {name: s.busy_seconds / (now * s.workers) for name, s in self._services.items()}
        return Outcome(now / 3600, busy | {"catalogue": self._ledger_busy / now}, self._items)

    def _offer(self, kind: str, video: int, now: float) -> None:
        service = self._service(kind)
        service.waiting.append((kind, video))
        self._start(service, now)

    def _start(self, service: Service, now: float) -> None:
        while service.free and service.waiting:
            kind, video = service.waiting.popleft()
            service.free -= 1
            seconds = self._seconds(kind)
            calls = 2 + int(seconds // self._site.heartbeat_seconds)  # claim and completion, and what says "alive"
            end = self._ledger(now, calls) + seconds
            service.busy_seconds += end - now
            self._items += 1
            heapq.heappush(self._events, (end, self._items, kind, video))

    def _done(self, kind: str, video: int, now: float) -> None:
        service = self._service(kind)
        service.free += 1
        if kind == PLAN:
            for _ in range(self._site.chunks):
                self._offer(MASK, video, now)
        elif kind == MASK:
            self._left[video] -= 1
            if not self._left[video]:
                self._offer(ASSEMBLE, video, now)
        elif kind == ASSEMBLE:
            self._offer(DELIVER, video, now)
        self._start(service, now)

    def _ledger(self, now: float, calls: int) -> float:
        """When the catalogue has answered this item's calls."""
        start, work = max(now, self._ledger_free_at), calls / self._site.ledger_per_second
        self._ledger_free_at = start + work
        self._ledger_busy += work
        return self._ledger_free_at

    def _service(self, kind: str) -> Service:
        return self._services[{PLAN: "ingest", DELIVER: "uploader"}.get(kind, "masker")]

    def _seconds(self, kind: str) -> float:
        site = self._site
        if kind == MASK:
            return self._chance.choice(site.chunk_seconds)
        return {PLAN: site.plan_seconds, ASSEMBLE: site.assemble_seconds, DELIVER: site.deliver_seconds}[kind]


def table(sites: Sequence[Site]) -> str:
    """The page."""
    lines = [
        "# A thousand maskers, simulated",
        "",
        *[line.strip() for line in (__doc__ or "").splitlines()[2:]],
        "",
        "| maskers | ingest | uploaders | videos x chunks | calls/s of the catalogue | hours | busy: ingest | maskers "
        "| uploaders | catalogue | tight |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for site in sites:
        outcome = Simulation(site).run()
        busy = " | ".join(f"{100 * outcome.busy[name]:.0f} %" for name in ("ingest", "masker", "uploader", "catalogue"))
        lines.append(
            f"| {site.maskers} | {site.ingests} | {site.uploaders} | {site.videos} x {site.chunks} "
            f"| {site.ledger_per_second:.0f} | {outcome.hours:.1f} | {busy} | {outcome.bottleneck} |"
        )
        print(lines[-1], flush=True)
    one = sites[0]
    recorded = f"plan {one.plan_seconds} s, chunk {min(one.chunk_seconds)}-{max(one.chunk_seconds)} s, "
    recorded += f"assemble {one.assemble_seconds} s, deliver {one.deliver_seconds} s"
    return "\n".join([*lines, "", f"Seconds of one item: {recorded}.", ""])


def main() -> None:
    """Simulate and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=_RECORDED, help="JSON: plan, chunks, assemble, deliver")
    parser.add_argument("--ledger", type=float, default=1000.0, help="catalogue calls a second (benchmarks.ledger)")
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--chunks", type=int, default=10, help="chunks of a video: as many as were recorded of one")
    given = parser.parse_args()
    recorded = json.loads(given.recorded.read_text())
    sites = [
        Site(
            ingests=ingests,
            maskers=1000,
            uploaders=uploaders,
            videos=given.videos,
            chunks=given.chunks,
            plan_seconds=recorded["plan"],
            chunk_seconds=tuple(recorded["chunks"]),
            assemble_seconds=recorded["assemble"],
            deliver_seconds=recorded["deliver"],
            ledger_per_second=ledger,
        )
        for ingests, uploaders, ledger in (
            (1, 1, given.ledger),
            (2, 4, given.ledger),
            (4, 16, given.ledger),
            (4, 16, given.ledger / 10),
        )
    ]
    _OUT.write_text(table(sites))


if __name__ == "__main__":
    main()
