"""What can happen to running services: seeded, one after another, each undone before the checker asks."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.servers.fleet import Service
from tests.servers.process import Running

Undo = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """``strike`` does harm and returns how it is undone; ``seconds`` how long it lasts, at random in this range."""

    name: str
    strike: Callable[[random.Random], Undo]
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Strike:
    """One fault of a plan: when it is undone, how long the pause is after it, and the chances that it takes."""

    number: int
    fault: Fault
    seconds: float
    pause: float
    chance: random.Random


def plan(faults: Sequence[Fault], seed: int) -> Iterator[Strike]:
    """Strikes without end; the same seed and faults give the same ones, whatever time they take or meet.

    Every fault comes once, in random order, before one comes again. Each strike has chances of its own, so that what
    one of them finds to break changes nothing about the next.
    """
    chance = random.Random(seed)
    numbers = itertools.count(1)
    while True:
        for fault in chance.sample(faults, len(faults)):
            own = random.Random(chance.getrandbits(64))
            yield Strike(next(numbers), fault, chance.uniform(*fault.seconds), chance.uniform(0.1, 1.5), own)


@dataclass
class Nemesis:
    """Strikes, undoes it, waits a little, and again until the time is over."""

    strikes: Iterator[Strike]
    struck: list[str] = field(default_factory=list)

    def rage(self, seconds: float) -> None:
        """Blocks; nothing stays broken afterwards."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            strike = next(self.strikes)
            self.struck.append(strike.fault.name)
            undo = strike.fault.strike(strike.chance)
            try:
                time.sleep(strike.seconds)
            finally:
                undo()
            time.sleep(strike.pause)


def against_services(services: Sequence[Service], *, lease_seconds: float) -> list[Fault]:
    """kill -9 with a new start, a freeze short and long enough to lose every lease, and an orderly restart."""
    return [
        Fault("kill", lambda chance: _kill(chance.choice(services)), (0.0, 2.0)),
        Fault("freeze", lambda chance: _freeze(chance.choice(services)), (0.2, 2.0)),
        Fault("long freeze", lambda chance: _freeze(chance.choice(services)), (lease_seconds, lease_seconds * 2)),
        Fault("restart", lambda chance: _restart(chance.choice(services)), (0.0, 0.5)),
    ]


def _kill(service: Service) -> Undo:
    service.take_down(Running.kill)
    return lambda: _launch(service)


def _freeze(service: Service) -> Undo:
    process = service.process
    assert process is not None
    process.freeze()
    return process.thaw


def _restart(service: Service) -> Undo:
    service.take_down(lambda process: process.stop(seconds=30))
    return lambda: _launch(service)


def _launch(service: Service) -> None:
    service.launch()
