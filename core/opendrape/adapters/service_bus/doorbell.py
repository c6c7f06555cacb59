"""How does Azure Service Bus wake workers: a queue per kind of work, an ear per job slot and queue (O-03)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from opendrape.adapters.service_bus.client import BusClient, translated
from opendrape.adapters.service_bus.ear import Ear
from opendrape.adapters.service_bus.exchange import Exchange
from opendrape.adapters.service_bus.loop_thread import LoopThread
from opendrape.adapters.service_bus.sending import SEND_SECONDS, RingSender
from opendrape.domain.work import WorkKind
from opendrape.logging import get_log
from opendrape.ports.catalogue import OutboxRing
from opendrape.ports.doorbell import Doorbell, Fate, HeldRing, Verdict

GRACE_SECONDS: Final = 0.2
"""How long a bus that answers may take to hand out what it has: rings come before a look into the ledger."""

CHECK_SECONDS: Final = 2.5
CLOSE_SECONDS: Final = 10.0


class ServiceBusDoorbell(Doorbell):
    """Threads may share one; each that calls ``hold`` gets ears of its own. Nothing is opened before the first call."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._loop = LoopThread("service-bus")
        self._sender: RingSender | None = None
        self._exchange = Exchange()
        self._slots: dict[tuple[int, frozenset[WorkKind]], _Slot] = {}
        self._lock = threading.Lock()

    def ring(self, kind: WorkKind, item_id: int) -> None:
        self.ring_all([OutboxRing(0, kind, item_id)])

    def ring_all(self, rings: Sequence[OutboxRing]) -> None:
        if rings:
            self._loop.run(self._send(rings), seconds=4 * (2 * SEND_SECONDS + 2))

    def wait(self, kinds: Collection[WorkKind], timeout_seconds: float) -> bool:
        ring = self.hold(kinds, timeout_seconds)
        if ring is not None:
            ring.settle(Verdict(Fate.OVER))
        return ring is not None

    def hold(self, kinds: Collection[WorkKind], timeout_seconds: float) -> HeldRing | None:
        key = threading.get_ident(), frozenset(kinds)
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _Slot(self._loop, self._exchange, key[1])
                self._loop.start(slot.listen(self._client))
        return slot.take(timeout_seconds)

    def check(self) -> None:
        self._loop.run(self._ask(), seconds=CHECK_SECONDS + 0.5)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # an end is an end; locks run out by themselves
            self._loop.run(self._end(), seconds=CLOSE_SECONDS)
        self._loop.close()

    async def _send(self, rings: Sequence[OutboxRing]) -> None:
        if self._sender is None:
            self._sender = RingSender(self._client, time.monotonic)
        await self._sender.send(rings)

    async def _ask(self) -> None:
        receiver = await translated(self._client.receiver(WorkKind.MASK), seconds=CHECK_SECONDS)
        try:
            await translated(receiver.peek_messages(1, sequence_number=1, timeout=CHECK_SECONDS), seconds=CHECK_SECONDS)
        finally:
            await translated(receiver.close(), seconds=CHECK_SECONDS)

    async def _end(self) -> None:
        await asyncio.gather(*(slot.end() for slot in self._slots.values()))
        if self._sender is not None:
            await self._sender.close()
        await self._client.close()


class _Slot:
    """What one worker thread hears."""

    def __init__(self, loop: LoopThread, exchange: Exchange, kinds: Collection[WorkKind]) -> None:
        self._loop, self._exchange, self._kinds = loop, exchange, kinds
        self._wanted = asyncio.Event()
        self._ears: list[Ear] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def listen(self, client: BusClient) -> None:
        """Start an ear per kind."""
        for kind in sorted(self._kinds):
            ear = Ear(client, kind, wanted=self._wanted, exchange=self._exchange, on_trouble=_tell)
            self._ears.append(ear)
            self._tasks.append(asyncio.create_task(ear.run()))

    async def end(self) -> None:
        """Stop listening; rings at hand go back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, seconds: float) -> HeldRing | None:
        """The next ring, waited for; a bus that is well gets a moment also when nobody wants to wait."""
        patience = max(seconds, GRACE_SECONDS) if any(ear.is_well for ear in self._ears) else seconds
        self._loop.call(self._wanted.set)
        try:
            return self._exchange.take(self._kinds, patience)
        finally:
            self._loop.call(self._wanted.clear)


_log = get_log("bus")


def _tell(event: str, fields: Mapping[str, object]) -> None:
    _log.warning(event, **fields)
