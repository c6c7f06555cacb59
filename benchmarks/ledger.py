"""How many work items a second can be claimed and completed: 32 claimers on PostgreSQL and on SQLite, nothing twice.

``python -m benchmarks.ledger`` starts a PostgreSQL of its own (fsync on), measures both and writes
``docs/benchmarks/ledger.md``. A cycle is what a masker does with an item: claim it, then complete it with a report, an
artefact, audit events and what follows. No pixels are touched.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ledger_page import page
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.postgresql import Limits
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.work import RetryRule, WorkKind
from tests.fakes.catalogue import new_asset, outcome
from tests.servers.postgresql import PostgreSQL, cluster

PROCESSES, THREADS = 4, 8
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks" / "ledger.md"


@dataclass(frozen=True)
class Load:
    """So many videos with so many chunks each; every chunk is one cycle."""

    name: str
    assets: int
    chunks: int

    @property
    def cycles(self) -> int:
        return self.assets * self.chunks


LOADS = (Load("many short videos", 300, 10), Load("one long video at a time", 15, 200))


@dataclass(frozen=True)
class Run:
    """One run: cycles a second, milliseconds of processor time for a cycle, and times of single calls."""

    cycles_per_second: float
    client_cpu_ms: float
    server_cpu_ms: float
    claim_ms: float
    complete_ms: float
    lost: int
    twice: int


def _open(url: str) -> SqlCatalogue:
    return open_catalogue(url, clock=SystemClock(), retry=RetryRule(), limits=Limits(pool_size=THREADS))


def _fill(url: str, load: Load) -> None:
    """Register and plan, so that every mask item is due."""
    with closing(_open(url)) as catalogue:
        for number in range(load.assets):
            catalogue.register(new_asset(number), actor="benchmark")
        while lease := catalogue.claim([WorkKind.PLAN], owner="benchmark", lease_seconds=600.0):
            catalogue.complete(lease, outcome(lease, chunks=load.chunks))


def _work(url: str, start: Any, answers: Any) -> None:
    """One process: ``THREADS`` claimers that share a pool. Answers with (items, claim times, complete times)."""
    catalogue = _open(url)
    catalogue.check()
    done: list[tuple[int, float, float, int]] = []

    def claimer(name: str) -> None:
        while True:
            began = time.perf_counter()
            lease = catalogue.claim([WorkKind.MASK], owner=name, lease_seconds=600.0)
            if lease is None:
                return
            claimed = time.perf_counter()
            catalogue.complete(lease, outcome(lease))
            done.append((lease.item_id, claimed - began, time.perf_counter() - claimed, lease.epoch))

    threads = [threading.Thread(target=claimer, args=(f"masker-{number}",)) for number in range(THREADS)]
    start.wait()
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    answers.put((done, ended, time.process_time() - cpu))
    catalogue.close()


def measure(url: str, load: Load, server: PostgreSQL | None) -> Run:
    """Fill the ledger, let 32 claimers empty it, and count."""
    _fill(url, load)
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(PROCESSES + 1), context.Queue()
    workers = [context.Process(target=_work, args=(url, start, answers)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    with _server_cpu(server) as server_cpu:
        start.wait()
        began = time.monotonic()
        told = [answers.get(timeout=600) for _ in workers]
        seconds = max(ended for _, ended, _ in told) - began
        for worker in workers:
            worker.join()
    cycles = [cycle for done, _, _ in told for cycle in done]
    items = Counter(item for item, *_ in cycles)
    with closing(_open(url)) as catalogue:
        waiting = catalogue.queue_depth()[WorkKind.MASK]
        assembled = catalogue.queue_depth()[WorkKind.ASSEMBLE]
    return Run(
        cycles_per_second=len(cycles) / seconds,
        client_cpu_ms=1000 * sum(cpu for *_, cpu in told) / len(cycles),
        server_cpu_ms=1000 * sum(server_cpu) / len(cycles),
        claim_ms=1000 * statistics.median(cycle[1] for cycle in cycles),
        complete_ms=1000 * statistics.median(cycle[2] for cycle in cycles),
        lost=load.cycles - len(items) + waiting + load.assets - assembled,
        twice=sum(times - 1 for times in items.values()) + sum(cycle[3] > 1 for cycle in cycles),
    )


@contextmanager
def _server_cpu(server: PostgreSQL | None) -> Iterator[list[float]]:
    """Filled at the end: processor seconds of every server process meanwhile."""
    spent: list[float] = []
    before = _cpu_seconds(server)
    yield spent
    spent.append(_cpu_seconds(server) - before)


def _cpu_seconds(server: PostgreSQL | None) -> float:
    """Of every process of the server, also of those that are gone."""
    if server is None:
        return 0.0
    postmaster = psutil.Process(server.process_id)
    gone = postmaster.cpu_times()
    alive = [process.cpu_times() for process in [postmaster, *postmaster.children()]]
    return gone.children_user + gone.children_system + sum(times.user + times.system for times in alive)


def _runs(name: str, load: Load, times: int, server: PostgreSQL | None) -> list[Run]:
    runs = []
    for number in range(times):
        with tempfile.TemporaryDirectory() as folder:
            url = server.migrated() if server else f"sqlite:///{folder}/catalogue.sqlite3"
            runs.append(measure(url, load, server))
            print(f"{name}, {load.name}, run {number + 1}: {runs[-1]}", flush=True)
            if server:
                server.drop(url)
    return runs


def main() -> int:
    """Measure and write the page; 1 when an item was lost or done twice."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--only", choices=["PostgreSQL", "SQLite"])
    arguments.add_argument("--dry", action="store_true", help="do not write the page")
    chosen = arguments.parse_args()
    results: dict[tuple[str, Load], list[Run]] = {}
    with ExitStack() as opened:
        servers: dict[str, PostgreSQL | None] = {"SQLite": None}
        if chosen.only != "SQLite":
            servers = {"PostgreSQL": opened.enter_context(cluster())} | servers
        for name, server in servers.items():
            if chosen.only in (None, name):
                for load in LOADS:
                    results[name, load] = _runs(name, load, chosen.runs, server)
    if not chosen.dry:
        PAGE.write_text(page(results, processes=PROCESSES, threads=THREADS), "utf-8")
    return int(any(run.lost or run.twice for runs in results.values() for run in runs))


if __name__ == "__main__":
    sys.exit(main())
