"""Where looks are done beside decoding and encoding: small ones side by side, large ones one after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

Answer = TypeVar("Answer")


class LookPool:
    """``threads`` small looks run at once, and beside them one large one: two would take too much memory.

    A context manager; leaving it waits for what runs.
    """

    def __init__(self, threads: int) -> None:
        self._small = ThreadPoolExecutor(threads, thread_name_prefix="look")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="look-large") if threads > 1 else self._small

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._small, self._large):
            pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, look: Callable[[], Answer], *, large: bool) -> Future[Answer]:
        """Do ``look`` as soon as its turn comes."""
        return (self._large if large else self._small).submit(look)

    def abandon(self) -> None:
        """Drop what waits."""
        for pool in (self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)
