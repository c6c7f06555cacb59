"""Does the bus answer now? Asked over one link that stays open: opening one takes half a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from opendrape.adapters.service_bus.client import BusClient, close_soon, closed, translated
from opendrape.domain.work import WorkKind
from opendrape.errors import BusUnavailable

if TYPE_CHECKING:
    from azure.servicebus.aio import ServiceBusReceiver

ASK_SECONDS: Final = 2.5


class Probe:
    """Peeks at one queue and takes nothing. Lives on the loop."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._link: ServiceBusReceiver | None = None

    async def ask(self) -> None:
        """``BusUnavailable`` when there is no answer within ``ASK_SECONDS``."""
        try:
            async with asyncio.timeout(ASK_SECONDS), self._lock:
                await self._ask()
        except TimeoutError as error:
            raise BusUnavailable from error

    async def close(self) -> None:
        """Close the link."""
        link, self._link = self._link, None
        if link is not None:
            await closed(link)

    async def _ask(self) -> None:
        link, self._link = self._link, None  # back in its place only after an answer
        try:
            if link is None:
                link = await translated(self._client.receiver(WorkKind.MASK), seconds=ASK_SECONDS)
            await translated(link.peek_messages(1, sequence_number=1, timeout=ASK_SECONDS), seconds=ASK_SECONDS)
        except BaseException:
            if link is not None:
                close_soon(link)
            raise
        self._link = link
