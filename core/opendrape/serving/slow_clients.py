"""Who holds a connection without asking anything: found and cut off, so that a few cannot use up all (H-08).

uvicorn ends idle connections between two requests, but waits for ever for the first one and for half a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakKeyDictionary


class _Transport(Protocol):
    def close(self) -> None: ...


class _Cycle(Protocol):
    @property
    def response_complete(self) -> bool: ...


class Connection(Protocol):
    """The part of uvicorn's protocols that tells whether a request is being answered."""

    cycle: _Cycle | None
    transport: _Transport


class SlowClients:
    """Remembers since when each connection has asked nothing. Used on the server's event loop only."""

    def __init__(self, *, monotonic: Callable[[], float], longest_seconds: float) -> None:
        self._monotonic, self._longest_seconds = monotonic, longest_seconds
        self._quiet_since: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()

    def cut_off(self, connections: Iterable[Connection]) -> int:
        """Close each connection that has been without a whole request head for too long; returns how many."""
        now, count = self._monotonic(), 0
        for connection in list(connections):
            if connection.cycle is not None and not connection.cycle.response_complete:
                self._quiet_since.pop(connection, None)
            elif now - self._quiet_since.setdefault(connection, now) >= self._longest_seconds:
                connection.transport.close()
                count += 1
        return count
