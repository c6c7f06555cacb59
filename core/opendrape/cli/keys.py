"""``opendrape keys``: how is the key of the identity map changed, and who gets a key of the HTTP door?"""

from __future__ import annotations

from typing import Annotated

import typer

from opendrape.bootstrap import opened_records
from opendrape.cli import api_keys
from opendrape.cli.actor import actor, existing_state
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.terminal import Terminal
from opendrape.ports.key_map import RotationPreview

app = typer.Typer(name="keys", help="Keys of the identity map and of the HTTP door.", no_args_is_help=True)
app.add_typer(api_keys.app)


@app.callback()
def _group() -> None:
    """Keys of the identity map and of the HTTP door."""


@app.command("rotate")
def rotate(
    apply: Annotated[bool, typer.Option("--apply/--preview", help="Do it, or only say what would be done.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key and re-encrypt every row of the map under it. Resumable; audited. The default is a preview."""
    terminal, settings = Terminal(as_json=as_json), load_settings(state_dir=state_dir)
    existing_state(settings)
    with opened_records(settings, notice=terminal.notice) as records:
        key_map = records.key_map
        outcome = key_map.rotate(actor=actor()) if apply else key_map.preview_rotation()
    _tell(terminal, outcome, applied=apply)


def _tell(terminal: Terminal, outcome: RotationPreview, *, applied: bool) -> None:
    rows = sum(outcome.rows_by_version.values())
    verb = "re-encrypted" if applied else "would be re-encrypted"
    terminal.say(f"{rows} rows {verb}; active key version {outcome.new_version}")
    versions = {str(version): count for version, count in sorted(outcome.rows_by_version.items())}
    terminal.result({"applied": applied, "rows_by_version": versions, "new_version": outcome.new_version})
