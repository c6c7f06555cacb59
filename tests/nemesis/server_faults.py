"""What can happen to the servers behind OpenDrape: ended, frozen, cut off, emptied, damaged; each undone afterwards."""

from __future__ import annotations

import random

from tests.nemesis.faults import Fault, Undo
from tests.servers.backends import QUEUES, Backends

_OF_ONE_QUEUE = ("lose_locks", "detach_links")


def against_servers(behind: Backends) -> list[Fault]:
    """Every fault of the servers that are there."""
    faults = [*_of_the_catalogue(behind), *_of_the_storage(behind), *_of_the_bus(behind)]
    faults += _of_the_models(behind)
    if behind.redis is not None:
        faults.append(Fault("redis flushed", lambda _: _flush(behind)))
    return faults


def _of_the_catalogue(behind: Backends) -> list[Fault]:
    server = behind.postgresql
    assert server is not None

    def stop(_chance: random.Random) -> Undo:
        server.stop(immediate=True)
        return server.start

    return [Fault("postgresql ends at once", stop, (0.5, 4.0))]


def _of_the_storage(behind: Backends) -> list[Fault]:
    server, network = behind.azurite, behind.network
    assert server is not None
    assert network is not None

    def kill(_chance: random.Random) -> Undo:
        server.stop()  # its index is written on an orderly end only; a real account loses nothing when a node dies
        return server.start

    def cut(chance: random.Random) -> Undo:
        network.cut_after(chance.randrange(0, 200_000))
        return lambda: None

    def flip(chance: random.Random) -> Undo:
        network.flip_after(chance.randrange(0, 100_000), down=chance.random() < 0.5)
        return lambda: None

    def stall(_chance: random.Random) -> Undo:
        network.stall()
        return network.flow

    return [
        Fault("storage ends", kill, (0.5, 4.0)),
        Fault("storage cut", cut, (0.0, 2.0)),
        Fault("byte flipped on the way", flip, (0.0, 2.0)),
        Fault("storage silent", stall, (0.5, 6.0)),
    ]


def _of_the_bus(behind: Backends) -> list[Fault]:
    broker = behind.broker
    assert broker is not None

    def restart(_chance: random.Random) -> Undo:
        broker.kill()
        return broker.start

    def silent(_chance: random.Random) -> Undo:
        broker.fault("go_silent")
        return lambda: broker.fault("go_silent", silent=False)

    def worse(name: str, *, back: dict[str, object] | None = None, **arguments: object) -> Fault:
        def strike(chance: random.Random) -> Undo:
            given = {"queue": chance.choice(QUEUES)} if name in _OF_ONE_QUEUE else arguments
            broker.fault(name, **given)
            return lambda: broker.fault(name, **back) if back is not None else None

        return Fault(f"bus: {name}", strike, (0.0, 2.0))

    return [
        Fault("bus killed", restart, (0.5, 4.0)),
        Fault("bus silent", silent, (0.5, 6.0)),
        worse("lose_locks"),
        worse("detach_links"),
        worse("drop_connections"),
        worse("duplicate_next", sends=5),
        worse("throttle", sends=3),
        worse("delay_settlement", seconds=3.0, back={"seconds": 0.0}),
        worse("refuse_renew", back={"refused": False}),
        worse("reorder", seed=1, back={"seed": None}),
    ]


def _of_the_models(behind: Backends) -> list[Fault]:
    server = behind.triton
    if server is None:
        return []

    def kill(_chance: random.Random) -> Undo:
        assert server.running is not None
        server.running.kill()
        return server.start

    def freeze(_chance: random.Random) -> Undo:
        assert server.running is not None
        server.running.freeze()
        return server.running.thaw

    return [Fault("triton killed", kill, (0.0, 2.0)), Fault("triton frozen", freeze, (0.5, 4.0))]


def _flush(behind: Backends) -> Undo:
    assert behind.redis is not None
    behind.redis.flush()
    return lambda: None
