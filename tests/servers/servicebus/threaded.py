"""How a test that is not asynchronous has a broker: in a thread with a loop of its own, on any free port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.servers.servicebus.broker import Broker
from tests.servers.servicebus.store import Store

_T = TypeVar("_T")


class BrokerThread:
    """A broker that any thread may ask: ``call(lambda broker: broker.drop_connections())``."""

    def __init__(self, file: str | Path = ":memory:", now_ms: Callable[[], int] | None = None) -> None:
        self._file, self._now_ms = file, now_ms
        self._loop = asyncio.new_event_loop()
        self._ready, self._done = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._broker: Broker | None = None

    def start(self) -> None:
        """Start and wait until it listens."""
        self._thread.start()
        if not self._ready.wait(10.0):
            raise RuntimeError("the broker did not start")

    def stop(self) -> None:
        """End it; the store is closed."""
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10.0)

    def call(self, act: Callable[[Broker], _T]) -> _T:
        """Do something in the broker's thread."""

        async def acted() -> _T:
            return act(self._live)

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result(10.0)

    @property
    def connection_string(self) -> str:
        """What the SDK needs to come here."""
        return self._live.connection_string

    @property
    def _live(self) -> Broker:
        if self._broker is None:
            raise RuntimeError("the broker is not running")
        return self._broker

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        store = Store(self._file, self._now_ms)
        async with Broker(store) as self._broker:
            self._ready.set()
            await self._done.wait()
        store.close()


@contextmanager
def broker_thread(file: str | Path = ":memory:", **more: Any) -> Iterator[BrokerThread]:
    """A running broker while the context lasts."""
    broker = BrokerThread(file, **more)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
