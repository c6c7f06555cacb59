"""What can happen to running services: seeded, one after another, each undone before the checker asks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.servers.fleet import Service

Undo = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """``strike`` does harm and returns how it is undone; ``seconds`` how long it lasts, at random in this range."""

    name: str
    strike: Callable[[random.Random], Undo]
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass
class Nemesis:
    """Strikes with a random fault, undoes it, waits a little, and again until the time is over."""

    faults: Sequence[Fault]
    chance: random.Random
    struck: list[str] = field(default_factory=list)

    def rage(self, seconds: float) -> None:
        """Blocks; nothing stays broken afterwards."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fault = self.chance.choice(self.faults)
            self.struck.append(fault.name)
            undo = fault.strike(self.chance)
            try:
                time.sleep(self.chance.uniform(*fault.seconds))
            finally:
                undo()
            time.sleep(self.chance.uniform(0.1, 1.5))


def against_services(services: Sequence[Service], *, lease_seconds: float) -> list[Fault]:
    """kill -9 with a new start, a freeze short and long enough to lose every lease, and an orderly restart."""
    return [
        Fault("kill", lambda chance: _kill(chance.choice(services)), (0.0, 2.0)),
        Fault("freeze", lambda chance: _freeze(chance.choice(services)), (0.2, 2.0)),
        Fault("long freeze", lambda chance: _freeze(chance.choice(services)), (lease_seconds, lease_seconds * 2)),
        Fault("restart", lambda chance: _restart(chance.choice(services)), (0.0, 0.5)),
    ]


def _kill(service: Service) -> Undo:
    assert service.process is not None
    service.process.kill()
    return lambda: _launch(service)


def _freeze(service: Service) -> Undo:
    process = service.process
    assert process is not None
    process.freeze()
    return process.thaw


def _restart(service: Service) -> Undo:
    assert service.process is not None
    service.process.stop(seconds=30)
    return lambda: _launch(service)


def _launch(service: Service) -> None:
    service.launch()
