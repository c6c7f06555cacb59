"""How is the ledger's speed told: medians and spreads, what they were measured on, and what is only reckoned."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.machine import machine

if TYPE_CHECKING:
    from benchmarks.ledger import Load, Run

GOAL = 500


def page(results: Mapping[tuple[str, Load], Sequence[Run]], *, processes: int, threads: int) -> str:
    """The whole page."""
    facts = machine()
    cores = int(facts["cores"])
    lines = [
        "<!-- written by `python -m benchmarks.ledger` -->",
        "# Speed of the work ledger",
        "",
        f"Cycles a second (claim an item, complete it with its report) by {processes * threads} claimers in {processes}"
        " processes. No pixels are touched: a real chunk takes its masker many seconds, so this is the ceiling that",
        "the ledger puts on a cluster. PostgreSQL runs beside the claimers on the same cores, fsync on.",
        "",
        f"Machine: {facts['processor']}, {facts['cores']} cores, {facts['memory']}, Python {facts['python']}. "
        f"Load average while this was measured: {os.getloadavg()[1]:.0f}"
        + (f" on {cores} cores: other work ran at the same time." if os.getloadavg()[1] > 2 * cores else "."),
        "",
        "| database | work | cycles/s, median (least to most) | claim, ms | complete, ms"
        " | processor time of a cycle, ms: clients + server | waited in vain | lost | twice |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(name, load, runs) for (name, load), runs in results.items()),
        "",
        *_verdict(results, cores),
        "",
        "Waited in vain: calls that ended in `catalogue_unavailable` and were made again. SQLite has one writer at a",
        "time and serves those who wait in no order: it is made for the few workers of one machine, not for 32.",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, load: Load, runs: Sequence[Run]) -> str:
    rates = sorted(run.cycles_per_second for run in runs)
    server = f" + {_median(runs, lambda run: run.server_cpu_ms):.1f}" if name == "PostgreSQL" else ""
    return (
        f"| {name} | {load.name}: {load.assets} × {load.chunks} chunks"
        f" | {statistics.median(rates):.0f} ({rates[0]:.0f} to {rates[-1]:.0f}), {len(runs)} runs"
        f" | {_median(runs, lambda run: run.claim_ms):.0f} | {_median(runs, lambda run: run.complete_ms):.0f}"
        f" | {_median(runs, lambda run: run.client_cpu_ms):.1f}{server}"
        f" | {sum(run.silent for run in runs)}"
        f" | {sum(run.lost for run in runs)} | {sum(run.twice for run in runs)} |"
    )


def _verdict(results: Mapping[tuple[str, Load], Sequence[Run]], cores: int) -> list[str]:
    """Met or not met, measured; and what the processor time of a cycle would allow if nothing else ran."""
    measured = {
        load.name: _median(runs, lambda run: run.cycles_per_second)
        for (name, load), runs in results.items()
        if name == "PostgreSQL"
    }
    if not measured:
        return []
    reckoned = {
        load.name: 1000 * cores / _median(runs, lambda run: run.client_cpu_ms + run.server_cpu_ms)
        for (name, load), runs in results.items()
        if name == "PostgreSQL"
    }
    if min(measured.values()) >= GOAL:
        return [f"Goal: {GOAL} cycles a second on PostgreSQL: met."]
    return [
        f"Goal: {GOAL} cycles a second on PostgreSQL: **not met in this measurement**.",
        "",
        "Reckoned, not measured: with these cores to itself, the processor time of a cycle allows at most "
        + ", ".join(f"{rate:.0f}/s ({name})" for name, rate in reckoned.items())
        + ". Processor time itself grows when cores are shared with other work.",
    ]


def _median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return statistics.median(figure(run) for run in runs)
