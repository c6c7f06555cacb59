"""How is the bus reached: with a connection string or a workload identity, bounded in every try."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from opendrape.domain.work import WorkKind
from opendrape.errors import BusUnavailable, ConfigurationError
from opendrape.settings import BusSettings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

_T = TypeVar("_T")

OPEN_SECONDS = 20.0
"""Longest time for opening or closing one link: 0.5 s where nothing is wrong."""


@dataclass
class BusClient:
    """Makes senders and receivers, each with a connection of its own, as the SDK wants it.

    ``credential`` replaces the workload identity; ``options`` go to the SDK's client as they are.
    """

    settings: BusSettings
    credential: AsyncTokenCredential | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    _client: ServiceBusClient | None = None

    def queue(self, kind: WorkKind) -> str:
        """The name of the queue for this kind of work."""
        return f"{self.settings.queue_prefix}{kind.value}"

    async def sender(self, kind: WorkKind) -> ServiceBusSender:
        """An open sender."""
        sender = self._made().get_queue_sender(self.queue(kind))
        return await _opened(sender)

    async def receiver(self, kind: WorkKind, *, dead_letters: bool = False) -> ServiceBusReceiver:
        """An open receiver that holds at most what it was asked for."""
        from azure.servicebus import ServiceBusSubQueue

        sub_queue = ServiceBusSubQueue.DEAD_LETTER if dead_letters else None
        receiver = self._made().get_queue_receiver(self.queue(kind), sub_queue=sub_queue, prefetch_count=0)
        return await _opened(receiver)

    async def close(self) -> None:
        """Close every link. Idempotent."""
        client, self._client = self._client, None
        for part in (client, self.credential):
            if part is not None:
                await closed(part)

    def _made(self) -> ServiceBusClient:
        if self._client is None:
            self._client = self._make()
        return self._client

    def _make(self) -> ServiceBusClient:
        from azure.servicebus.aio import ServiceBusClient

        given = self.settings.connection_string
        options = {"try_timeout": self.settings.try_timeout_seconds, "retry_total": 2} | dict(self.options)
        if given is not None:
            try:
                return ServiceBusClient.from_connection_string(given.get_secret_value(), **options)
            except ValueError as error:
                raise ConfigurationError(
                    "the bus's connection string cannot be used", reason="configuration"
                ) from error
        return ServiceBusClient(self.settings.namespace, self._identity(), **options)

    def _identity(self) -> AsyncTokenCredential:
        if self.credential is None:
            from azure.identity.aio import DefaultAzureCredential

            self.credential = DefaultAzureCredential()
        return self.credential


async def _opened(part: _T) -> _T:
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await part.__aenter__()  # type: ignore[attr-defined]
    except BaseException:
        await closed(part)
        raise
    return part


async def closed(part: Any) -> None:
    """Close something of the SDK's; it may be broken or the bus silent, and then there is nothing to be done."""
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await part.close()
    except Exception:  # noqa: BLE001, S110 - what cannot be closed is dropped
        pass


async def translated(work: Awaitable[_T], *, seconds: float) -> _T:
    """Wait for it, ``seconds`` at most; whatever the SDK raises becomes ``BusUnavailable`` with a reason of ours."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.servicebus.exceptions import (
        MessagingEntityNotFoundError,
        ServiceBusAuthenticationError,
        ServiceBusAuthorizationError,
        ServiceBusError,
    )

    try:
        async with asyncio.timeout(seconds):
            return await work
    except (ServiceBusAuthenticationError, ServiceBusAuthorizationError, ClientAuthenticationError) as error:
        raise BusUnavailable(reason="bus_refused") from error
    except MessagingEntityNotFoundError as error:
        raise BusUnavailable(reason="bus_queue_missing") from error
    except (ServiceBusError, ValueError, TimeoutError, OSError, AttributeError) as error:
        # ValueError: "the handler has already been shutdown"; AttributeError: links torn down under a call
        raise BusUnavailable from error


def pause(tries: int, *, first: float = 0.5, longest: float = 30.0) -> float:
    """Seconds before the next try, anywhere between half and all: the SDK has no jitter of its own."""
    return min(longest, first * 2.0 ** min(tries, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The bytes of a message; of any other kind of body something that is no ring."""
    body = message.body
    if isinstance(body, bytes):
        return body
    try:
        return b"".join(bytes(piece) for piece in body)
    except (TypeError, ValueError):
        return b""


OnTrouble = Callable[[str, Mapping[str, object]], None]
"""Told of an event's slug and fields. Must not raise."""
