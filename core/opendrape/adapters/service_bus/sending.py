"""How are rings sent: in batches, one send at a time, and not at all for a while after one failed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from opendrape.adapters.service_bus.client import BusClient, closed, pause, translated
from opendrape.adapters.service_bus.ring_message import written
from opendrape.domain.work import WorkKind
from opendrape.errors import BusUnavailable
from opendrape.ports.catalogue import OutboxRing

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusMessage
    from azure.servicebus.aio import ServiceBusSender

SEND_SECONDS: Final = 5.0


class RingSender:
    """One link per queue behind one lock: the SDK's senders break under two coroutines. Lives on the loop."""

    def __init__(self, client: BusClient, monotonic: Callable[[], float]) -> None:
        self._client, self._monotonic = client, monotonic
        self._lock = asyncio.Lock()
        self._links: dict[WorkKind, ServiceBusSender] = {}
        self._failures, self._closed_until = 0, 0.0

    async def send(self, rings: Sequence[OutboxRing]) -> None:
        """All of them, in order within a kind. ``BusUnavailable``: some may have gone.

        After a failure callers are refused at once for a while: a worker must not wait for a dead bus after each item.
        """
        async with self._lock:
            if self._monotonic() < self._closed_until:
                raise BusUnavailable
            try:
                for kind in dict.fromkeys(ring.kind for ring in rings):
                    await self._send(kind, [ring for ring in rings if ring.kind is kind])
            except BusUnavailable:
                self._closed_until = self._monotonic() + pause(self._failures)
                self._failures += 1
                raise
            self._failures = 0

    async def close(self) -> None:
        """Close the links."""
        for link in self._links.values():
            await closed(link)
        self._links.clear()

    async def _send(self, kind: WorkKind, rings: Sequence[OutboxRing]) -> None:
        try:
            link = self._links.get(kind)
            if link is None:
                link = self._links[kind] = await translated(self._client.sender(kind), seconds=SEND_SECONDS)
            work = link.send_messages([_message(ring) for ring in rings], timeout=SEND_SECONDS)
            await translated(work, seconds=SEND_SECONDS + 1.0)
        except BusUnavailable:
            broken = self._links.pop(kind, None)
            if broken is not None:
                await closed(broken)
            raise


def _message(ring: OutboxRing) -> ServiceBusMessage:
    from azure.servicebus import ServiceBusMessage

    # The outbox's number makes a ring that is sent twice one message, where the queue looks for duplicates;
    # rings without a number are never taken for each other.
    number = f"{ring.ring_id}" if ring.ring_id else secrets.token_hex(8)
    return ServiceBusMessage(
        written(ring.kind, ring.item_id),
        message_id=f"{ring.kind}:{ring.item_id}:{number}",
        content_type="application/json",
    )
