"""How a service listens: uvicorn inside somebody else's process, stopped by an event, never by a signal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
import uvloop
from fastapi import FastAPI

from opendrape.errors import ConfigurationError
from opendrape.logging import get_log
from opendrape.serving.http_protocol import BoundedHead
from opendrape.serving.slow_clients import SlowClients

_log = get_log("http")
_TICKS_A_SECOND = 10


def run(
    app: FastAPI,
    *,
    host: str,
    port: int,
    stop: threading.Event,
    on_ready: Callable[[int], None] = lambda _port: None,
    head_seconds: float = 20.0,
) -> None:
    """Serve until ``stop`` is set; blocks, in any thread. ``on_ready`` gets the bound port once requests are answered.

    ``port`` 0 means any free one. A connection without a whole request head for ``head_seconds`` is cut off. Open
    requests get five seconds to end. Signals stay with the caller.
    ``ConfigurationError`` when the address cannot be bound or the app does not start.
    """
    app.state.listens_on, app.state.stopping = host, stop
    with _listening(host, port) as listener:
        bound = int(listener.getsockname()[1])
        server = _Server(_config(app), stop=stop, on_ready=lambda: on_ready(bound))
        _log.info("http_starting", port=bound)
        server.slow_clients = SlowClients(monotonic=time.monotonic, longest_seconds=head_seconds)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listener]))
        _log.info("http_stopped", port=bound)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHead,
        log_config=None,  # library records go through opendrape.logging
        access_log=False,  # it would write paths and queries
        server_header=False,
        date_header=True,
        proxy_headers=False,
        ws="none",
        limit_concurrency=256,
        timeout_keep_alive=15,  # whoever asks every few seconds keeps the connection
        timeout_graceful_shutdown=5,
    )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone and ends when the event is set."""

    def __init__(self, config: uvicorn.Config, *, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._on_ready = stop, on_ready
        self.slow_clients: SlowClients | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn ends the process when the app does not start; this process is not ours to end
            raise ConfigurationError("the app did not start", reason="gateway_did_not_start") from None
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        if self.slow_clients is not None and counter % _TICKS_A_SECOND == 0:
            self.slow_clients.cut_off(self.server_state.connections)  # type: ignore[arg-type]
        return await super().on_tick(counter) or self._stop.is_set()


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError("the address cannot be listened on", reason="address_in_use") from error
    with listener:
        # Accepted sockets inherit it; asyncio sets it only for those whose protocol was named. Without it a body waits,
        # 40 ms on every kept connection, until the client has acknowledged the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener
