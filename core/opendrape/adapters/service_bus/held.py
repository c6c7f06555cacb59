"""One ring in a worker's hand: settled by its thread, waited for by the loop."""

from __future__ import annotations

import asyncio

from opendrape.domain.work import WorkKind
from opendrape.ports.doorbell import HeldRing, Verdict


class Held(HeldRing):
    """Made on the loop. The first verdict counts."""

    def __init__(self, kind: WorkKind, item_id: int) -> None:
        self._kind, self._item_id = kind, item_id
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Future[Verdict] = self._loop.create_future()

    @property
    def kind(self) -> WorkKind:
        return self._kind

    @property
    def item_id(self) -> int:
        return self._item_id

    def settle(self, verdict: Verdict) -> None:
        try:
            self._loop.call_soon_threadsafe(self._say, verdict)
        except RuntimeError:  # the loop ended: the lock runs out, and somebody else hears the ring
            return

    def _say(self, verdict: Verdict) -> None:
        if not self._said.done():
            self._said.set_result(verdict)

    async def is_settled_within(self, seconds: float) -> bool:
        """Wait for the verdict, at most so long."""
        await asyncio.wait([self._said], timeout=max(0.0, seconds))
        return self._said.done()

    async def verdict(self) -> Verdict:
        """Wait for the verdict."""
        return await self._said
