"""How are the dead letters of Service Bus queues read and worked off?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from opendrape.adapters.service_bus import ring_message
from opendrape.adapters.service_bus.client import OPEN_SECONDS, BusClient, body_of, closed, translated
from opendrape.adapters.service_bus.loop_thread import LoopThread
from opendrape.adapters.service_bus.ring_message import RingUnreadable
from opendrape.domain.reasons import REASONS
from opendrape.domain.work import WorkKind
from opendrape.ports.dead_letters import DeadLetter, DeadLetters

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver

_CALL_SECONDS: Final = 15.0
_EMPTY_SECONDS: Final = 2.0
_PAGE: Final = 50
_MOST_SECONDS: Final = 600.0
_BROKERS_WORDS: Final = {"MaxDeliveryCountExceeded": "ring_delivered_too_often"}


class ServiceBusDeadLetters(DeadLetters):
    """Opens a link per call: people ask seldom."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._loop = LoopThread("dead-letters")

    def letters(self, limit: int = 100) -> Sequence[DeadLetter]:
        return self._loop.run(self._peek_all(limit), seconds=_MOST_SECONDS)

    def work_off(self, act: Callable[[DeadLetter], bool]) -> int:
        return self._loop.run(self._work_off_all(act), seconds=_MOST_SECONDS)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # an end is an end
            self._loop.run(self._client.close(), seconds=_CALL_SECONDS)
        self._loop.close()

    async def _peek_all(self, limit: int) -> list[DeadLetter]:
        pages = await asyncio.gather(*(self._peek(kind, limit) for kind in WorkKind))
        return [letter for page in pages for letter in page]

    async def _peek(self, kind: WorkKind, limit: int) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        async with self._open(kind) as receiver:
            while len(found) < limit:
                first = found[-1].number + 1 if found else 1
                work = receiver.peek_messages(
                    min(_PAGE, limit - len(found)), sequence_number=first, timeout=_CALL_SECONDS
                )
                page = await translated(work, seconds=_CALL_SECONDS + 1.0)
                found += [_letter(kind, message) for message in page]
                if not page:
                    break
        return found

    async def _work_off_all(self, act: Callable[[DeadLetter], bool]) -> int:
        one_at_a_time = asyncio.Lock()

        async def acted(letter: DeadLetter) -> bool:
            async with one_at_a_time:
                return await asyncio.to_thread(act, letter)

        return sum(await asyncio.gather(*(self._work_off(kind, acted) for kind in WorkKind)))

    async def _work_off(self, kind: WorkKind, act: Callable[[DeadLetter], Awaitable[bool]]) -> int:
        removed = 0
        at_hand: dict[int, ServiceBusReceivedMessage] = {}
        async with self._open(kind) as receiver:
            try:
                while page := await _receive(receiver):
                    at_hand |= {id(message): message for message in page}
                    for message in page:
                        if await act(_letter(kind, message)):
                            await translated(receiver.complete_message(message), seconds=_CALL_SECONDS)
                            del at_hand[id(message)]
                            removed += 1
            finally:
                for message in at_hand.values():  # kept until the end: what went back at once would come again at once
                    await translated(receiver.abandon_message(message), seconds=_CALL_SECONDS)
        return removed

    @asynccontextmanager
    async def _open(self, kind: WorkKind) -> AsyncIterator[ServiceBusReceiver]:
        receiver = await translated(self._client.receiver(kind, dead_letters=True), seconds=OPEN_SECONDS)
        try:
            yield receiver
        finally:
            await closed(receiver)


async def _receive(receiver: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
    work = receiver.receive_messages(max_message_count=_PAGE, max_wait_time=_EMPTY_SECONDS)
    return await translated(work, seconds=_CALL_SECONDS + OPEN_SECONDS)


def _letter(kind: WorkKind, message: ServiceBusReceivedMessage) -> DeadLetter:
    said = message.dead_letter_reason or ""
    reason = _BROKERS_WORDS.get(said, said)
    try:
        item_id = ring_message.read(body_of(message), queue=kind).item_id
    except RingUnreadable:
        item_id = None
    return DeadLetter(
        queue=kind,
        number=message.sequence_number or 0,
        reason=reason if reason in REASONS else "error",
        item_id=item_id,
        deliveries=message.delivery_count or 0,
        rung_at=message.enqueued_time_utc,
    )
