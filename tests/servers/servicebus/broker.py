"""The broker itself: listens, hands messages to links with credit in turn, and goes wrong when a test says so."""

from __future__ import annotations

import asyncio
import random
from types import TracebackType

from tests.servers.servicebus.connection import Connection
from tests.servers.servicebus.links import Session
from tests.servers.servicebus.requests import Faults
from tests.servers.servicebus.store import DEAD, QueueRules, Store

_TICK_SECONDS = 0.02


class Broker:
    """Serves a store on a loopback port while its context lasts. All calls belong to the loop's thread."""

    def __init__(self, store: Store, port: int = 0) -> None:
        self.store, self.port, self.faults = store, port, Faults()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._turn = 0

    async def __aenter__(self) -> Broker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**21)
        self.port = self._server.sockets[0].getsockname()[1]
        self._spawn(asyncio.create_task(self._tick()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.drop_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def connection_string(self) -> str:
        """What the SDK needs to come here."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=stand-in;"
            "SharedAccessKey=c3RhbmQtaW4=;UseDevelopmentEmulator=true"
        )

    def pump(self) -> None:
        """Hand out what can be handed out."""
        for queue in self.store.queues():
            for path in (queue, queue + DEAD):
                while self._hand_out(path):
                    pass

    def _hand_out(self, queue: str) -> bool:
        ready = [place for connection in self._connections for place in connection.outgoing(queue)]
        if not ready or self.faults.silent:
            return False
        self._turn += 1
        session, link = ready[self._turn % len(ready)]
        taken = self.store.take(queue, lock=not link.settled)
        if taken is None:
            return False
        session.send(link, taken.token, taken.encoded, settled=link.settled)
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self._connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        self._spawn(task)
        try:
            await connection.run()
        except asyncio.CancelledError:  # the server ends; asyncio would tell of it otherwise
            pass
        finally:
            self._connections.discard(connection)

    def _spawn(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if self.store.tick():
                self.pump()

    # -- faults ---------------------------------------------------------------------------------------------------
    def declare(self, queue: str, **rules: float) -> None:
        """Make a queue; ``rules`` are fields of :class:`QueueRules`."""
        self.store.declare(queue, QueueRules(**rules))  # type: ignore[arg-type]

    def drop_connections(self) -> int:
        """Cut every connection."""
        for connection in list(self._connections):
            connection.abort()
        return len(self._connections)

    def close_connections(self, condition: str = "amqp:connection:forced") -> int:
        """End every connection with an error."""
        for connection in list(self._connections):
            connection.close(condition)
        return len(self._connections)

    def detach_links(self, queue: str, condition: str = "amqp:link:detach-forced") -> int:
        """End every link of a queue, as the service does after ten idle minutes."""
        found = [
            (session, link)
            for connection in self._connections
            for session, link in connection.links()
            if link.address == queue.lower()
        ]
        for session, link in found:
            session.detach(link, condition)
        return len(found)

    def lose_locks(self, queue: str) -> int:
        """Every lock of a queue is over now."""
        lost = self.store.lose_locks(queue.lower())
        self.store.tick()
        self.pump()
        return lost

    def duplicate_next(self, sends: int = 1) -> None:
        """The next so many sends arrive twice, past duplicate detection."""
        self.faults.duplicate_sends = sends

    def delay_settlement(self, seconds: float) -> None:
        """Settle at once and answer late; 0: at once again."""
        self.faults.settle_delay_seconds = seconds

    def refuse_renew(self, refused: bool = True) -> None:
        """Answer every renewal with a lost lock."""
        self.faults.refuse_renew = refused

    def refuse_tokens(self, refused: bool = True) -> None:
        """Answer every token with 401."""
        self.faults.refuse_tokens = refused

    def throttle(self, sends: int) -> None:
        """Reject the next so many sends as too many."""
        self.faults.throttle = sends

    def reorder(self, seed: int | None = 0) -> None:
        """Hand out any of the next eight messages; None: the oldest again."""
        self.store.reorder = None if seed is None else random.Random(seed)

    def go_silent(self, silent: bool = True) -> None:
        """Accept bytes and answer nothing; speaking again cuts what was silent."""
        self.faults.silent = silent
        if not silent:
            self.drop_connections()

    def counts(self, queue: str) -> dict[str, int]:
        """How many messages a queue has, by state."""
        return self.store.counts(queue.lower())

    def sessions(self) -> list[Session]:
        """Every session, to look at."""
        return [session for connection in self._connections for session in connection.sessions.values()]
