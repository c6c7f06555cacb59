"""How is told what lists and status calls take: medians beside the aim, and which index answers each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.machine import machine

if TYPE_CHECKING:
    from benchmarks.gateway_lists import Measured, Run

AIM_MS = 50.0


def page(runs: Sequence[Run], not_measured: Mapping[str, str]) -> str:
    """The whole page."""
    facts = machine()
    lines = [
        "<!-- written by `python -m benchmarks.gateway_lists` -->",
        "# Lists and status calls of the gateway on a large catalogue",
        "",
        "100,000 videos, 1,000,000 pieces with a work item each, 1,100,000 audit events with their seals, 100,000",
        "requests for frames (1,000 of them wait) with their items, 200,000 segments, 100,000 uploads and deliveries,",
        "1,000 keys; anna owns every second video. The gateway is asked in its own process, without a network.",
        "PostgreSQL runs beside it, fsync on. Milliseconds: median, 95th percentile, and the median of the processor",
        "time of the gateway's process (PostgreSQL's own is not in it), which other work on the machine changes least.",
        "",
        f"Machine: {facts['processor']}, {facts['cores']} cores, {facts['memory']}, Python {facts['python']}. "
        + "; ".join(
            f"{run.database}: filled in {run.fill_seconds:.0f} s, load average {run.load[0]:.1f} before and"
            f" {run.load[1]:.1f} after the calls"
            for run in runs
        )
        + ".",
        "",
        "| caller | call | " + " | ".join(f"{run.database}: median | p95 | processor" for run in runs) + " |",
        "| --- | --- |" + " --- | --- | --- |" * len(runs),
        *(_row(same) for same in zip(*(run.calls for run in runs), strict=True)),
        "",
        verdict(runs),
        "",
        "Not measured, because neither a list nor a status call: "
        + "; ".join(f"`{operation}` ({why})" for operation, why in not_measured.items())
        + ".",
    ]
    for run in runs:
        lines += ["", *_plans(run)]
    return "\n".join(lines) + "\n"


def verdict(runs: Sequence[Run]) -> str:
    """Which calls miss the aim."""
    slow = [
        f"`{one.call.operation}` of {one.call.who} on {run.database} ({one.median:.0f} ms)"
        for run in runs
        for one in run.calls
        if one.median >= AIM_MS
    ]
    aim = f"The aim is less than {AIM_MS:.0f} ms at the median"
    return f"{aim}: missed by {', '.join(slow)}." if slow else f"{aim}: every call keeps it."


def _row(same: Sequence[Measured]) -> str:
    call = same[0].call
    path = f"{call.method} {call.path}" if call.method != "GET" else call.path
    told = f"`{path}`" + (f", {call.told}" if call.told else "")
    cells = " | ".join(f"{one.median:.1f} | {one.late:.1f} | {one.work:.1f}" for one in same)
    return f"| {call.who} | {told} | {cells} |"


def _plans(run: Run) -> list[str]:
    """Every way of looking something up, once, with the operations that need it."""
    needed: dict[str, dict[str, None]] = {}
    for one in run.calls:
        for plan in one.plans:
            needed.setdefault("<br>".join(plan.lines), {})[one.call.operation] = None
    title = "`EXPLAIN QUERY PLAN`" if run.database == "SQLite" else "`EXPLAIN` of the generic plan"
    return [
        f"## {run.database}: {title}",
        "",
        "Tables and indexes only; each way once. Who calls, and how often, is asked in every call:",
        "`api_keys` and `buckets` by primary key.",
        "",
        "| asked by | reads |",
        "| --- | --- |",
        *(f"| {', '.join(by)} | {lines.replace('|', '∣')} |" for lines, by in needed.items() if lines),
    ]
