"""What do pairs of maskings say about those who watch: ratios, their median, and whose processor time it was."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.machine import machine

if TYPE_CHECKING:
    from benchmarks.pollers_clients import Told

AIM: Final = 1.05


@dataclass(frozen=True)
class Half:
    """One masking. ``mask_seconds``: from the first piece taken to the last one done, by the work items' own times;
    ``door_cpu_seconds``: of the server's process, ``children_cpu_seconds``: of the media processes that it started.
    """

    mask_seconds: float
    total_seconds: float
    wall_seconds: float
    door_cpu_seconds: float
    children_cpu_seconds: float
    told: Told | None = None


@dataclass(frozen=True)
class Pair:
    """The same pictures masked alone and watched, one after the other."""

    alone: Half
    watched: Half

    def ratio(self, of: Callable[[Half], float]) -> float:
        """Watched by alone."""
        return of(self.watched) / of(self.alone)


def median_ratio(pairs: Sequence[Pair], of: Callable[[Half], float]) -> float:
    """The median of the pairs' ratios: what the pairs have in common, whatever else the machine did."""
    return statistics.median(pair.ratio(of) for pair in pairs)


def added_share(pair: Pair, *, cores: int) -> float:
    """Processor time that watching added to the server's process, as a share of what all cores could give meanwhile."""
    added = pair.watched.door_cpu_seconds - pair.alone.door_cpu_seconds * pair.ratio(lambda half: half.wall_seconds)
    return added / (pair.watched.wall_seconds * cores)


def clients_share(pair: Pair, *, cores: int) -> float:
    """What the clients took themselves, as a share of all cores; on machines of their own it would be nothing here."""
    told = pair.watched.told
    return 0.0 if told is None else told.cpu_seconds / (pair.watched.wall_seconds * cores)


def page(pairs: Sequence[Pair], *, pollers: int, streams: int, seconds: int, load: tuple[float, float]) -> str:
    """The whole page."""
    facts = machine()
    cores = int(facts["cores"])
    mask, total = median_ratio(pairs, _mask), median_ratio(pairs, _total)
    lines = [
        "<!-- written by `python -m benchmarks.pollers` -->",
        "# Masking while others ask how far it is",
        "",
        f"`opendrape serve` (one process, SQLite) masks {seconds} s of sample video, policy `faces`, in pairs:",
        f"alone, and while {pollers} clients ask for its progress once in five seconds each (a key and a connection of",
        f"their own) and {streams} event streams are open. Clients run on the same cores.",
        "",
        f"Machine: {facts['processor']}, {facts['cores']} cores, {facts['memory']}, Python {facts['python']}; "
        f"load average {load[0]:.1f} before, {load[1]:.1f} after (the measurement itself makes about {cores}).",
        "",
        "| pair | alone: masking, s | watched: masking, s | ratio | alone: whole journey, s | watched, s | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(number, pair) for number, pair in enumerate(pairs, 1)),
        "",
        f"Median of the ratios: masking {mask:.3f}, whole journey {total:.3f}. {_verdict(mask)}",
        "",
        "| | median |",
        "| --- | --- |",
        *_where(pairs, cores),
    ]
    return "\n".join(lines) + "\n"


def _verdict(ratio: float) -> str:
    kept = "kept" if ratio <= AIM else "missed"
    return f"The aim is {AIM:.2f} at most: {kept}."


def _row(number: int, pair: Pair) -> str:
    cells = [f"{of(pair.alone):.2f} | {of(pair.watched):.2f} | {pair.ratio(of):.3f}" for of in (_mask, _total)]
    return f"| {number} | {' | '.join(cells)} |"


def _where(pairs: Sequence[Pair], cores: int) -> list[str]:
    def middle(of: Callable[[Pair], float]) -> float:
        return statistics.median(map(of, pairs))

    told = [pair.watched.told for pair in pairs if pair.watched.told]
    children = middle(lambda pair: pair.ratio(lambda half: half.children_cpu_seconds))
    added = 100 * middle(lambda pair: added_share(pair, cores=cores))
    clients = 100 * middle(lambda pair: clients_share(pair, cores=cores))
    rows = {
        "processor time that watching added to the server's process": f"{added:.1f} % of all cores",
        "processor time of the clients themselves": f"{clients:.1f} % of all cores",
        "processor time of the media processes, watched by alone": f"{children:.3f}",
    }
    if told:
        rows |= {
            "answers in one masking": f"{statistics.median(one.asked for one in told):.0f}",
            "answers that were no 200, in all": str(sum(one.refused for one in told)),
            "connections opened again, in all": str(sum(one.reconnected for one in told)),
            "time of an answer, ms": f"{statistics.median(one.median_ms for one in told):.0f}"
            f" (95th percentile {statistics.median(one.late_ms for one in told):.0f})",
            "events on all streams in one masking": f"{statistics.median(one.events for one in told):.0f}",
            "streams that were open, in each": ", ".join(str(one.streams) for one in told),
        }
    return [f"| {name} | {value} |" for name, value in rows.items()]


def _mask(half: Half) -> float:
    return half.mask_seconds


def _total(half: Half) -> float:
    return half.total_seconds
