"""How does a run look to the person who started it: one row per file, then what needs attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from opendrape.cli.asset_outcome import AssetOutcome
from opendrape.cli.terminal import Terminal
from opendrape.domain.body_review import described
from opendrape.domain.reasons import explain
from opendrape.domain.states import AssetState
from opendrape_ingest.result import ScannedFile, ScanResult, Status

RETRYABLE = frozenset({AssetState.FAILED, AssetState.QUARANTINED, AssetState.CANCELLED})
_QUIET = frozenset({Status.IGNORED})
_NUMBERS = ("frames", "faces", "text", "tracks", "seconds", "speed")
_COLUMNS = ("#", "source", "state", *_NUMBERS, "receipt")


def show_outcomes(terminal: Terminal, scanned: ScanResult, outcomes: Mapping[str, AssetOutcome], out: Path) -> None:
    """The table of videos, then every other file with its reason. Source names appear here and nowhere else."""
    if not terminal.talks:
        return
    table = Table(title=f"delivered to {out}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for column in _COLUMNS:
        fixed = column != "source"
        table.add_column(
            column, justify="right" if column in ("#", *_NUMBERS) else "left", no_wrap=fixed, overflow="fold"
        )
    shown = [file for file in scanned.files if file.asset_id in outcomes and file.status is not Status.DUPLICATE]
    for number, file in enumerate(shown, 1):
        table.add_row(str(number), *_cells(file, outcomes[file.asset_id or ""]))
    if shown:
        terminal.say(table)
    # below, not in the table: a pseudonym with its policy is longer than a terminal is wide
    for number, file in enumerate(shown, 1):
        outcome = outcomes[file.asset_id or ""]
        if outcome.output and outcome.delivered:
            terminal.say(f"{number:3}  {out / outcome.output}")
    for line in remarks(scanned.files, outcomes):
        terminal.say(line)


def _cells(file: ScannedFile, outcome: AssetOutcome) -> list[str]:
    return [
        printable(file.path.name),
        outcome.state,
        _number(outcome.frames),
        _number(outcome.detections.get("face", 0) if outcome.frames is not None else None),
        _number(outcome.detections.get("text", 0) if outcome.frames is not None else None),
        _number(sum(outcome.tracks.values()) if outcome.frames is not None else None),
        _number(outcome.seconds),
        f"{outcome.speed:.2f}x" if outcome.speed is not None else "-",
        "verified" if outcome.delivered else outcome.receipt_fault or "-",
    ]


def remarks(files: Sequence[ScannedFile], outcomes: Mapping[str, AssetOutcome]) -> list[str]:
    """One line for every file that was not simply delivered."""
    lines = []
    for file in files:
        name, outcome = printable(file.path.name), outcomes.get(file.asset_id or "")
        if file.status is Status.DUPLICATE and file.duplicate_of is not None:
            lines.append(f"duplicate    {name}: same content as {printable(file.duplicate_of.name)}")
        elif outcome is not None and not outcome.delivered:
            state = outcome.state if outcome.state is not AssetState.DELIVERED else "unverified"
            lines.append(f"{state:12} {name}: {outcome.reason or outcome.receipt_fault}. {outcome.sentence}")
            lines += (f"{'':12} {described(one)}" for one in outcome.in_doubt)
        elif outcome is None and file.status not in _QUIET:
            lines.append(f"{file.status:12} {name}: {file.reason}. {explain(file.reason) or ''}".rstrip())
    if any(outcome.state in RETRYABLE for outcome in outcomes.values()):
        lines.append("failed and quarantined videos stay so; the same command with --retry tries them again")
    return lines


def printable(name: str) -> str:
    """A file name that cannot move the cursor, break the line or crash the encoder."""
    return name.encode("utf-8", "backslashreplace").decode().translate(_ESCAPES)


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.1f}"
