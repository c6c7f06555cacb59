"""How is a request repeated: with growing, jittered pauses, as the server wishes, and only where it can help (D-04)?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

from opendrape.adapters.azure_blobs.answers import NETWORK_ERRORS, is_worth_repeating, seconds_asked_for
from opendrape.adapters.azure_blobs.tuning import Tuning

_T = TypeVar("_T")
_RANDOM = secrets.SystemRandom()

Sleep = Callable[[float], Awaitable[None]]


class Asker:
    """Asks with a time limit, repeats what may help. ``asked`` counts requests, for tests and figures."""

    def __init__(self, tuning: Tuning, *, sleep: Sleep = asyncio.sleep) -> None:
        self._tuning, self._sleep = tuning, sleep
        self.asked = 0

    async def __call__(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """The answer, or the last error."""
        for attempt in count(1):
            self.asked += 1
            try:
                async with asyncio.timeout(self._tuning.request_seconds):
                    return await request()
            except NETWORK_ERRORS as error:
                pause = self._pause(attempt, error)
                if pause is None:
                    raise
            await self._sleep(pause)
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, error: BaseException) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        wished = seconds_asked_for(error)
        limit = self._tuning.longest_delay_seconds
        if attempt >= self._tuning.attempts or not is_worth_repeating(error) or wished > limit:
            return None
        grown = min(limit, self._tuning.first_delay_seconds * 2 ** (attempt - 1))
        return max(wished, _RANDOM.uniform(grown / 2, grown))
