"""Chores in one process: each when its time has come, one after the other, in the thread that runs this."""

from __future__ import annotations

import threading

from opendrape.errors import TransientError
from opendrape.logging import get_log
from opendrape.ports.chores import Chore, ChoreBook, Chores
from opendrape.ports.clock import Clock

_LOOK_SECONDS = 0.25
_log = get_log("chores")


class ThreadChores(Chores):
    """The first time of a chore is at once."""

    def __init__(self, book: ChoreBook, clock: Clock) -> None:
        self._book, self._clock = book, clock
        self._done_at: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """See the port."""
        while not stop.is_set():
            self.tick()
            stop.wait(_LOOK_SECONDS)

    def tick(self) -> None:
        """Do what is due now."""
        for chore in self._book:
            now = self._clock.monotonic()
            last = self._done_at.get(chore.name)
            if last is None or now - last >= chore.every_seconds:
                self._done_at[chore.name] = now
                attend(chore)


def attend(chore: Chore) -> None:
    """Do it once; whatever comes of it, the next time comes too."""
    try:
        chore.act()
    except TransientError as error:
        _log.warning("chore_postponed", action=chore.name, exc_info=error)
    except Exception as error:  # noqa: BLE001 - a loop's edge: told, and tried again at its next time
        _log.error("chore_failed", action=chore.name, exc_info=error)
