"""``opendrape tokens``: what becomes of download tokens whose time is over?"""

from __future__ import annotations

import typer

from opendrape.bootstrap import bootstrap
from opendrape.cli.actor import existing_catalogue
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.frames import show_cleaned
from opendrape.cli.terminal import Terminal

app = typer.Typer(name="tokens", help="Download tokens of requests for frames.", no_args_is_help=True)


@app.callback()
def _tokens() -> None:
    """Download tokens of requests for frames."""


@app.command("cleanup")
def cleanup(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Remove expired tokens and results, as `opendrape serve` does every OPENDRAPE_FRAMES__CLEANUP_HOURS."""
    terminal = Terminal(as_json=as_json)
    settings = load_settings(state_dir=state_dir)
    existing_catalogue(settings)
    container = bootstrap(settings, notice=terminal.notice)
    with container.resources:
        show_cleaned(container, terminal)
