"""``opendrape keymap``: who was it, forget somebody, or keep a copy? Audited admin acts, each with a reason (P-04)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from opendrape.bootstrap import opened_records
from opendrape.cli.actor import actor, existing_state
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.terminal import Terminal
from opendrape.ports.key_map import KeyMap

app = typer.Typer(name="keymap", help="The encrypted identity map: audited admin acts.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit. No names in it.", prompt="Reason")]
Pseudonym = Annotated[str, typer.Argument(help="Pseudonym of an asset or a subject.")]


@app.command("reveal")
def reveal(pseudonym: Pseudonym, reason: Reason, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Show the original path and record number behind a pseudonym, on this terminal only."""
    terminal = Terminal(as_json=as_json)
    with _map(state_dir, terminal) as key_map:
        revealed = key_map.reveal(pseudonym, actor=actor(), reason=_given(reason))
    for source in revealed.sources:
        terminal.say(f"{source.path}  (record number: {source.record_number or 'none'})")
    terminal.result({"pseudonym": revealed.pseudonym, "sources": [asdict(source) for source in revealed.sources]})


@app.command("destroy")
def destroy(
    subject: Annotated[str, typer.Argument(help="Pseudonym of a subject.")],
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Destroy every row of one subject: its videos can never be traced back by us again."""
    terminal = Terminal(as_json=as_json)
    if not yes:
        typer.confirm("This cannot be undone. Destroy?", abort=True, err=True)
    with _map(state_dir, terminal) as key_map:
        rows = key_map.destroy_subject(subject, actor=actor(), reason=_given(reason))
    terminal.say(f"{rows} rows destroyed")
    terminal.result({"rows": rows})


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="New file; it stays encrypted under the map's keys.")],
    reason: Reason,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Write every row, encrypted, into a new file (0600)."""
    terminal = Terminal(as_json=as_json)
    with _map(state_dir, terminal) as key_map:
        rows = key_map.export(file, actor=actor(), reason=_given(reason))
    terminal.say(f"{rows} rows written, encrypted")
    terminal.result({"rows": rows})


@contextmanager
def _map(state_dir: Path | None, terminal: Terminal) -> Iterator[KeyMap]:
    settings = load_settings(state_dir=state_dir)
    existing_state(settings)
    with opened_records(settings, notice=terminal.notice) as records:
        yield records.key_map


def _given(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("a reason is required", param_hint="--reason")
    return reason.strip()
