"""How does one service run as a process of its own: from settings to workers, with health, until a signal ends it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from fastapi import FastAPI

from opendrape.bootstrap import Container, bootstrap
from opendrape.errors import ConfigurationError, OpenDrapeError
from opendrape.ledger.worker import Caretaker
from opendrape.logging import configure, dropped_fields, get_log, log_uncaught_exceptions
from opendrape.serving.health import Check, HealthMonitor
from opendrape.serving.server import run
from opendrape.serving.side_door import create_side_door
from opendrape.serving.threads import Runnable, Services
from opendrape.settings import Settings, settings_from_environment
from opendrape.state_folder import empty_folder, sole_owner

_log = get_log("service")
_LOOK_SECONDS = 0.5

EXIT_CONFIGURATION = 3
"""The same as the command line's: something must be set right before a restart helps."""

Notice = Callable[[str], None]


@dataclass(frozen=True)
class ServicePlan:
    """What makes one service: its workers, what its health asks, and its door when that is more than the side door."""

    name: str
    workers: Callable[[Container, Notice], Sequence[Runnable]]
    checks: Callable[[Container], Mapping[str, Check]]
    door: Callable[[Container], FastAPI] | None = None
    takes_care: bool = False
    """True where the ledger's caretaker runs too: sweeping and ringing may be done by any number of processes."""


@dataclass(frozen=True)
class Door:
    """The HTTP side of a service as one more thing that runs until told to stop."""

    app: FastAPI
    host: str
    port: int

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set."""
        run(self.app, host=self.host, port=self.port, stop=stop)


def serve_process(plan: ServicePlan) -> int:
    """Run until SIGTERM or SIGINT: leases are given back, the exit code is 0. A worker thread that dies ends it with 1,
    wrong settings with 3, said in one sentence on standard error.
    """
    try:
        settings = settings_from_environment()
        configure(settings.log)
        log_uncaught_exceptions()
        _serve(plan, settings)
    except OpenDrapeError as error:
        _to_standard_error(f"error: {error}\nnext:  {error.next_step}")
        return EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1
    return 0


def _serve(plan: ServicePlan, settings: Settings) -> None:
    container = bootstrap(settings, notice=_to_standard_error)
    with container.resources, sole_owner(settings.state_dir):
        empty_folder(settings.scratch_dir)
        services = Services(container.catalogue, _runnables(plan, container))
        with _stopped_by_signals(services):
            services.start()
            _log.info("service_started", component=plan.name)
            try:
                while not services.stopping:
                    services.pause(_LOOK_SECONDS)
                    services.check()
            finally:
                services.stop()
            services.check()
        _log.info("service_stopped", component=plan.name)


def _runnables(plan: ServicePlan, container: Container) -> list[Runnable]:
    settings = container.settings
    caretaker = Caretaker(
        catalogue=container.catalogue,
        doorbell=container.doorbell,
        clock=container.clock,
        sweep_seconds=settings.work.sweep_seconds,
    )
    care: list[Runnable] = [caretaker] if plan.takes_care else []
    return [_door(plan, container), *care, *plan.workers(container, _to_standard_error)]


def _door(plan: ServicePlan, container: Container) -> Door:
    settings = container.settings
    if plan.door is not None:
        return Door(plan.door(container), settings.gateway.host, settings.gateway.port)
    container.metrics.watch_catalogue(container.catalogue)
    container.metrics.watch_dropped_log_fields(dropped_fields)
    health = HealthMonitor(plan.checks(container), monotonic=container.clock.monotonic)
    return Door(create_side_door(plan.name, health, container.metrics), settings.service.host, settings.service.port)


@contextmanager
def _stopped_by_signals(services: Services) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        services.ask_to_stop()

    with ExitStack() as restored:
        for number in (signal.SIGTERM, signal.SIGINT):
            restored.callback(signal.signal, number, signal.signal(number, stop))
        yield


def _to_standard_error(text: str) -> None:
    sys.stderr.write(text + "\n")
