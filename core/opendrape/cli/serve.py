"""``opendrape serve``: how do all services and the HTTP door run in one process until somebody stops them?"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opendrape.bootstrap import Container, bootstrap
from opendrape.cli.configuration import PolicyName, StateDir, load_settings, policy_named
from opendrape.cli.models import prepare_models
from opendrape.cli.terminal import Terminal
from opendrape.cli.watching import WatchedFolder
from opendrape.embedded import embedded
from opendrape.logging import configure, log_uncaught_exceptions
from opendrape.serving.threads import Runnable, Services

if TYPE_CHECKING:
    from fastapi import FastAPI

Watch = Annotated[Path | None, typer.Option("--watch", exists=True, file_okay=False, help="Folder to scan for videos.")]
Output = Annotated[Path | None, typer.Option("--output", help="Folder for output (OPENDRAPE_DESTINATION).")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on (OPENDRAPE_GATEWAY__HOST).")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port (OPENDRAPE_GATEWAY__PORT); 0: any.")]
Every = Annotated[float, typer.Option("--every-seconds", min=0.1, help="Time between two scans of the folder.")]


@dataclass(frozen=True)
class GatewayThread:
    """The HTTP door as one more thing that runs until told to stop."""

    app: FastAPI
    host: str
    port: int
    terminal: Terminal

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set."""
        from opendrape.serving.server import run

        run(self.app, host=self.host, port=self.port, stop=stop, on_ready=self._ready)

    def _ready(self, port: int) -> None:
        self.terminal.notice(f"listening on http://{self.host}:{port}/health (Ctrl-C ends)")


def serve(
    watch: Watch = None,
    output: Output = None,
    policy: PolicyName = "faces",
    state_dir: StateDir = None,
    host: Host = None,
    port: Port = None,
    every_seconds: Every = 10.0,
) -> None:
    """Run every service and the HTTP door in this process; with --watch, take in what appears in a folder."""
    terminal, settings = Terminal(), load_settings(state_dir=state_dir, destination=output)
    configure(settings.log)
    log_uncaught_exceptions()
    chosen = policy_named(settings, policy)
    prepare_models(terminal, settings, chosen)
    container = bootstrap(settings, notice=terminal.notice)
    with container.resources:
        container.policies.remember(chosen)
        door = _door(container, terminal, host, port)
        with embedded(container, door, _teller(container), notice=terminal.notice) as services:
            watched = WatchedFolder(container, watch, chosen) if watch else None
            _until_stopped(services, watched, every_seconds)


def _door(container: Container, terminal: Terminal, host: str | None, port: int | None) -> GatewayThread:
    from opendrape_gateway.composition import create_app
    from opendrape_gateway.first_key import ensure_first_key
    from opendrape_masker.health import masker_checks

    ensure_first_key(container, notice=terminal.notice)
    chosen = container.settings.gateway
    return GatewayThread(
        app=create_app(container, more_checks=masker_checks(container.settings)),
        host=chosen.host if host is None else host,
        port=chosen.port if port is None else port,
        terminal=terminal,
    )


def _teller(container: Container) -> Runnable:
    from opendrape_gateway.composition import build_webhook_sender

    return build_webhook_sender(container)


def _until_stopped(services: Services, watched: WatchedFolder | None, every_seconds: float) -> None:
    """Ends by an interruption, or by the error of a thread that died."""
    while True:
        if watched is not None:
            watched.look()
        services.pause(every_seconds)
        services.check()
