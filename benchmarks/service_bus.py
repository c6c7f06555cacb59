"""How many rings a second go through the doorbell over Service Bus, against the stand-in as a process of its own?

``python -m benchmarks.service_bus`` prints one line per way. The SDK in the client is the limit, not the stand-in.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from opendrape.adapters.service_bus import BusClient, ServiceBusDoorbell
from opendrape.domain.work import WorkKind
from opendrape.ports.catalogue import OutboxRing
from opendrape.ports.doorbell import Fate, Verdict
from opendrape.settings import BusSettings
from tests.servers.servicebus.process import BrokerProcess

RINGS = 1000
BATCH = 100


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        broker = BrokerProcess(Path(folder), *(f"opendrape-{kind.value}" for kind in WorkKind))
        broker.start()
        bell = ServiceBusDoorbell(BusClient(BusSettings(connection_string=SecretStr(broker.connection_string))))
        try:
            bell.ring(WorkKind.PLAN, 1)  # opens the link
            _told("rung one by one", RINGS, lambda: _ring_singly(bell))
            _told("rung in batches of 100", RINGS, lambda: _ring_in_batches(bell))
            _told("held and settled, 1 slot", RINGS, lambda: _answer(bell, WorkKind.PLAN, 1))
            _told("held and settled, 4 slots", RINGS, lambda: _answer(bell, WorkKind.MASK, 4))
        finally:
            bell.close()
            broker.stop()


def _told(what: str, count: int, act: Callable[[], None]) -> None:
    start, worked = time.perf_counter(), time.process_time()
    act()
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    print(
        f"{what:28} {count / seconds:8.0f} rings/s  {1000 * worked / count:6.2f} ms of this process a ring", flush=True
    )


def _ring_singly(bell: ServiceBusDoorbell) -> None:
    for number in range(1, RINGS):
        bell.ring(WorkKind.PLAN, number)


def _ring_in_batches(bell: ServiceBusDoorbell) -> None:
    for first in range(0, RINGS, BATCH):
        bell.ring_all([OutboxRing(0, WorkKind.MASK, first + number + 1) for number in range(BATCH)])


def _answer(bell: ServiceBusDoorbell, kind: WorkKind, slots: int) -> None:
    def slot() -> None:
        while (ring := bell.hold([kind], 2.0)) is not None:
            ring.settle(Verdict(Fate.OVER))
            answered.append(ring.item_id)
            if len(answered) >= RINGS:
                return

    answered: list[int] = []
    threads = [threading.Thread(target=slot) for _ in range(slots)]
    for thread in threads:
        thread.start()
    threads[0].join()
    while len(answered) < RINGS and any(thread.is_alive() for thread in threads):
        time.sleep(0.001)
    assert len(answered) >= RINGS, f"{len(answered)} rings were heard"


if __name__ == "__main__":
    main()
