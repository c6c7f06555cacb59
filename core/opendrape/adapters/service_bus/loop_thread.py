"""Where does asynchronous code run in a process of threads: on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from opendrape.errors import BusUnavailable

_T = TypeVar("_T")


class LoopThread:
    """Started with the first use, ended with ``close``; then every call raises ``BusUnavailable``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, work: Coroutine[Any, Any, _T], *, seconds: float) -> _T:
        """Do it on the loop and wait; what takes longer than ``seconds`` is cancelled: ``BusUnavailable``."""
        try:
            loop = self._running()
        except BusUnavailable:
            work.close()
            raise
        pending = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return pending.result(seconds)
        except TimeoutError as error:
            pending.cancel()
            raise BusUnavailable from error

    def call(self, act: Callable[[], object]) -> None:
        """Do something small on the loop, soon; nothing once closed."""
        with self._lock:
            if self._loop is not None and not self._closed:
                self._loop.call_soon_threadsafe(act)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run on the loop until it ends or the loop does; nothing once closed."""
        try:
            asyncio.run_coroutine_threadsafe(work, self._running())
        except BusUnavailable:
            work.close()

    def close(self) -> None:
        """Cancel what still runs, wait for it and end the thread. Idempotent."""
        with self._lock:
            loop, thread, self._closed = self._loop, self._thread, True
            if loop is not None and thread is not None and thread.is_alive():
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise BusUnavailable("the bus was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._live, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
