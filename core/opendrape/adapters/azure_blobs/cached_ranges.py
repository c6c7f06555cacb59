"""How are small reads made cheap: whole blocks are fetched, a few are kept, and the next ones are fetched ahead?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from opendrape.adapters.azure_blobs.tuning import RANGE_BYTES

KEPT_BLOCKS: Final = 8
_AHEAD: Final = 2


class CachedRanges:
    """``fetch(offset, count)`` gives exactly these bytes or raises. For one reader at a time. Close it when done."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size, self._fetch = size, fetch
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._last = -2
        self._workers = ThreadPoolExecutor(max_workers=_AHEAD + 1, thread_name_prefix="opendrape-ranges")

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``, fewer only at the end."""
        end = min(offset + count, self.size)
        parts = []
        while offset < end:
            number, within = divmod(offset, RANGE_BYTES)
            part = self._block(number)[within : within + end - offset]
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Forget everything; what is on its way is not waited for longer than its request."""
        self._workers.shutdown(cancel_futures=True)
        self._blocks.clear()

    def _block(self, number: int) -> bytes:
        goes_on = number in (self._last, self._last + 1)
        self._last = number
        wanted = self._ordered(number)
        for ahead in range(number + 1, number + 1 + _AHEAD) if goes_on else ():
            if ahead * RANGE_BYTES < self.size:
                self._ordered(ahead)
        self._forget_some(number)
        try:
            return wanted.result()
        except BaseException:
            self._blocks.pop(number, None)
            raise

    def _ordered(self, number: int) -> Future[bytes]:
        if number not in self._blocks:
            start = number * RANGE_BYTES
            count = min(RANGE_BYTES, self.size - start)
            self._blocks[number] = self._workers.submit(self._fetch, start, count)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _forget_some(self, needed: int) -> None:
        while len(self._blocks) > KEPT_BLOCKS:
            oldest = next(number for number in self._blocks if number != needed)
            self._blocks.pop(oldest).cancel()
