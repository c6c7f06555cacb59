"""Which commands does ``opendrape`` have, and how does each end?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from opendrape.cli import (
    doctor,
    interruption,
    keymap,
    keys,
    mask,
    models,
    policy,
    receipts,
    run,
    sample,
    selftest,
    serve,
)
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.interruption import Interrupted
from opendrape.errors import ConfigurationError, OpenDrapeError

app = typer.Typer(
    name="opendrape",
    help="De-identify surgical and clinical video: masked, verified, with a signed receipt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(mask.mask)
app.command()(selftest.selftest)
app.command()(serve.serve)
app.command()(doctor.doctor)
for commands in (models.app, policy.app, receipts.app, keys.app, keymap.app, sample.app):
    app.add_typer(commands)


def main() -> None:
    """Entry point of the ``opendrape`` command."""
    interruption.install()
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit code; every expected error becomes two plain lines on stderr."""
    try:
        app(list(arguments), prog_name="opendrape")
    except SystemExit as ending:
        return int(ending.code or 0)
    except Interrupted:
        print("interrupted: nothing is half-written; run the same command again to go on", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except OpenDrapeError as error:
        print(f"error: {error}\nnext:  {error.next_step}", file=sys.stderr)
        return ExitCode.CONFIGURATION if isinstance(error, ConfigurationError) else ExitCode.FAILED
    return ExitCode.DELIVERED
