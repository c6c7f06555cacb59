"""How is a ring heard, held while its item is worked on, and let go: one receiver, one ring, one operation at a time.

The SDK's receivers are not safe under two coroutines and its own lock renewer stops without a word, so one coroutine
does everything here in turn: receive, renew every third of the lock, settle. Whatever fails is harmless: the ledger
decides.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from opendrape.adapters.service_bus import ring_message
from opendrape.adapters.service_bus.client import OPEN_SECONDS, BusClient, OnTrouble, body_of, closed, pause, translated
from opendrape.adapters.service_bus.exchange import Exchange
from opendrape.adapters.service_bus.held import Held
from opendrape.adapters.service_bus.ring_message import RingUnreadable
from opendrape.domain.reasons import REASONS
from opendrape.domain.work import WorkKind
from opendrape.errors import BusUnavailable
from opendrape.ports.doorbell import Fate, Verdict

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver

RECEIVE_SECONDS: Final = 5.0
RENEW_SECONDS: Final = 5.0
SETTLE_SECONDS: Final = 15.0
SETTLE_TRIES: Final = 3
"""After a detach the SDK renews but does not settle before the link is opened again."""

UNTAKEN_SECONDS: Final = 2.0
"""A ring that nobody here wants for so long goes back: the worker that wanted it has found other work."""

DOUBT_SECONDS: Final = 60.0
"""After so long without a message a link is asked whether it lives: a dead one looks like an empty queue."""


class Ear:
    """Listens on one queue for one job slot, while ``wanted`` is set, and offers what it hears."""

    def __init__(
        self,
        client: BusClient,
        kind: WorkKind,
        *,
        wanted: asyncio.Event,
        exchange: Exchange,
        on_trouble: OnTrouble,
    ) -> None:
        self._client, self._kind, self._wanted = client, kind, wanted
        self._exchange, self._on_trouble = exchange, on_trouble
        self._receiver: ServiceBusReceiver | None = None
        self._failures = 0
        self._answered_at = 0.0

    @property
    def is_well(self) -> bool:
        """False from a failure until the bus answers again."""
        return self._receiver is not None and not self._failures

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                await self._listen_once()
        finally:
            await self._drop()

    async def _listen_once(self) -> None:
        try:
            message = await self._receive()
        except BusUnavailable as error:
            await self._failed(error)
            return
        self._failures = 0
        if message is not None:
            await self._serve(message)

    async def _failed(self, error: BusUnavailable) -> None:
        if not self._failures:
            self._on_trouble("bus_silent", {"kind": self._kind.value, "reason": error.reason, "exc_info": error})
        self._failures += 1
        await self._drop()
        await asyncio.sleep(pause(self._failures))

    # -- hearing --------------------------------------------------------------------------------------------------
    async def _receive(self) -> ServiceBusReceivedMessage | None:
        receiver = await self._open()
        work = receiver.receive_messages(max_message_count=1, max_wait_time=RECEIVE_SECONDS)
        messages = await translated(work, seconds=RECEIVE_SECONDS + OPEN_SECONDS)
        now = asyncio.get_running_loop().time()
        if messages:
            self._answered_at = now
            return messages[0]
        if now - self._answered_at >= DOUBT_SECONDS:
            await translated(
                receiver.peek_messages(1, sequence_number=1, timeout=RENEW_SECONDS), seconds=SETTLE_SECONDS
            )
            self._answered_at = now
        return None

    async def _open(self) -> ServiceBusReceiver:
        if self._receiver is None:
            self._receiver = await translated(self._client.receiver(self._kind), seconds=OPEN_SECONDS)
            self._answered_at = asyncio.get_running_loop().time()
        return self._receiver

    async def _drop(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await closed(receiver)

    # -- holding --------------------------------------------------------------------------------------------------
    async def _serve(self, message: ServiceBusReceivedMessage) -> None:
        try:
            ring = ring_message.read(body_of(message), queue=self._kind)
        except RingUnreadable as error:
            self._on_trouble("ring_unreadable", {"kind": self._kind.value, "reason": error.reason})
            await self._settle(message, Verdict(Fate.DEAD, error.reason))
            return
        held = Held(ring.kind, ring.item_id)
        self._exchange.put(held)
        try:
            if not await held.is_settled_within(UNTAKEN_SECONDS) and self._exchange.withdraw(held):
                held.settle(Verdict(Fate.BACK))
            has_lock = await self._keep(message, held)
        except asyncio.CancelledError:
            self._exchange.withdraw(held)
            held.settle(Verdict(Fate.BACK))
            await self._settle(message, await held.verdict())
            raise
        if has_lock:
            await self._settle(message, await held.verdict())

    async def _keep(self, message: ServiceBusReceivedMessage, held: Held) -> bool:
        """Keep the lock until there is a verdict; False when it was lost on the way."""
        lock_seconds = self._lock_seconds(message)
        ends_at = asyncio.get_running_loop().time() + lock_seconds
        while not await held.is_settled_within(lock_seconds / 3):
            asked_at = asyncio.get_running_loop().time()
            if not await self._renew(message, held, ends_at):
                self._on_trouble("ring_lost", {"kind": self._kind.value, "item_id": held.item_id})
                await held.verdict()
                return False
            ends_at = asked_at + lock_seconds
        return True

    def _lock_seconds(self, message: ServiceBusReceivedMessage) -> float:
        """What the broker said, unless the clocks differ too much to believe it."""
        from opendrape.adapters.system_clock import SystemClock

        longest, until = self._client.settings.lock_seconds, message.locked_until_utc
        left = longest if until is None else (until - SystemClock().now()).total_seconds()
        return left if 0.0 < left <= longest else longest

    async def _renew(self, message: ServiceBusReceivedMessage, held: Held, ends_at: float) -> bool:
        tries = 0
        while (left := ends_at - asyncio.get_running_loop().time()) > 0:
            try:
                await self._renew_once(message, min(RENEW_SECONDS, left))
                return True
            except _LockLost:
                return False
            except BusUnavailable as error:
                self._on_trouble("ring_not_renewed", {"kind": self._kind.value, "exc_info": error})
            tries += 1
            if await held.is_settled_within(min(left, pause(tries, first=0.1, longest=2.0))):
                return True  # nothing left to keep it for; settling says whether the lock is still there
            await self._reopen(min(OPEN_SECONDS, left))
        return False

    async def _renew_once(self, message: ServiceBusReceivedMessage, seconds: float) -> None:
        if self._receiver is None:
            raise BusUnavailable
        try:
            work = self._receiver.renew_message_lock(message, timeout=max(0.1, seconds))
            await translated(work, seconds=seconds + 1.0)
        except BusUnavailable as error:
            if _is_lock_lost(error):
                raise _LockLost from error
            raise
        self._answered_at = asyncio.get_running_loop().time()

    async def _reopen(self, seconds: float) -> None:
        """The same receiver again: after a detach the SDK's own way back fails."""
        if self._receiver is not None:
            try:
                await translated(self._receiver.__aenter__(), seconds=seconds)
            except BusUnavailable as error:
                self._on_trouble("bus_silent", {"kind": self._kind.value, "reason": error.reason, "exc_info": error})

    # -- letting go -----------------------------------------------------------------------------------------------
    async def _settle(self, message: ServiceBusReceivedMessage, verdict: Verdict) -> None:
        for tries in range(SETTLE_TRIES):
            try:
                return await self._settle_once(message, verdict)
            except BusUnavailable as error:
                # It comes again, or it was done and the answer was lost: the ledger knows either way.
                self._on_trouble("ring_not_settled", {"kind": self._kind.value, "exc_info": error})
                if _is_lock_lost(error):
                    return None
            await asyncio.sleep(pause(tries, first=0.1, longest=2.0))
            await self._reopen(OPEN_SECONDS)
        return await self._drop()

    async def _settle_once(self, message: ServiceBusReceivedMessage, verdict: Verdict) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        match verdict.fate:
            case Fate.OVER:
                work = receiver.complete_message(message)
            case Fate.BACK:
                work = receiver.abandon_message(message)
            case Fate.DEAD:
                reason = verdict.reason or "error"
                text = REASONS.get(reason, "A reason that this version does not know.")
                work = receiver.dead_letter_message(message, reason=reason, error_description=text)
        await translated(work, seconds=SETTLE_SECONDS)


def _is_lock_lost(error: BusUnavailable) -> bool:
    from azure.servicebus.exceptions import MessageLockLostError

    return isinstance(error.__cause__, MessageLockLostError)


class _LockLost(Exception):
    """The broker says so: no use to try again."""
