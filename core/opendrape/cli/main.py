"""Which commands does ``opendrape`` have, and how does each end?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from opendrape.cli import interruption
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.interruption import Interrupted
from opendrape.errors import ConfigurationError, OpenDrapeError

COMMANDS: Final = ("run", "mask", "selftest", "serve", "doctor", "frames")
"""Modules of this package with a function of their own name."""

GROUPS: Final = (
    "models",
    "policy",
    "receipts",
    "keys",
    "keymap",
    "audit",
    "sample",
    "blobs",
    "bus",
    "tokens",
)
"""Modules of this package with an ``app`` of several commands."""


def app_for(names: Sequence[str]) -> typer.Typer:
    """The command line with only the commands and groups ``names``; the others' modules are not loaded."""
    app = typer.Typer(
        name="opendrape",
        help="De-identify surgical and clinical video: masked, verified, with a signed receipt.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_opendrape)  # keeps the command's name in the line also when there is only one
    for name in names:
        module = import_module(f"opendrape.cli.{name}")
        if name in GROUPS:
            app.add_typer(module.app)
        else:
            app.command()(getattr(module, name))
    return app


def _opendrape() -> None:
    """De-identify surgical and clinical video: masked, verified, with a signed receipt."""


def main() -> None:
    """Entry point of the ``opendrape`` command."""
    interruption.install()
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit code; every expected error becomes two plain lines on stderr."""
    known = [name for name in (*COMMANDS, *GROUPS) if name == next(iter(arguments), "")]
    try:
        app_for(known or (*COMMANDS, *GROUPS))(list(arguments), prog_name="opendrape")
    except SystemExit as ending:
        return int(ending.code or 0)
    except Interrupted:
        print("interrupted: nothing is half-written; run the same command again to go on", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except OpenDrapeError as error:
        print(f"error: {error}\nnext:  {error.next_step}", file=sys.stderr)
        return ExitCode.CONFIGURATION if isinstance(error, ConfigurationError) else ExitCode.FAILED
    return ExitCode.DELIVERED
