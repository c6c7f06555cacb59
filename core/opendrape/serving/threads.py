"""How do several things run side by side in one process: a thread each, stopped together, no death unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from opendrape.ports.catalogue import Catalogue


class Runnable(Protocol):
    """Anything that works until ``stop`` is set."""

    def run(self, stop: threading.Event) -> None: ...


class HasCatalogue(Protocol):
    """A container, as far as it matters here."""

    @property
    def catalogue(self) -> Catalogue: ...


class Services:
    """The running services. ``stop`` ends every thread; a thread that dies stops all and is told by ``check``."""

    def __init__(self, catalogue: Catalogue, runnables: Sequence[Runnable]) -> None:
        self._catalogue = catalogue
        self._stopping = threading.Event()
        self._deaths: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._live, args=(runnable,), name=f"opendrape-{number}", daemon=True)
            for number, runnable in enumerate(runnables)
        ]

    def start(self) -> None:
        """Start every thread."""
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Say so and return at once: safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Ask every worker to stop and wait until all have; their leases are given back. Idempotent."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    @property
    def stopping(self) -> bool:
        """True once somebody asked, or a thread died."""
        return self._stopping.is_set()

    def check(self) -> None:
        """Raise what ended a worker thread, if any ended by itself; nobody would do its work, and all would wait."""
        is_anyone_gone = not all(thread.is_alive() for thread in self._threads)  # asked first: the dying speak, then go
        if self._deaths:
            raise self._deaths[0]
        if is_anyone_gone and not self._stopping.is_set():
            raise RuntimeError("a worker thread ended without a word")

    def pause(self, seconds: float) -> None:
        """Wait, at most until a thread died."""
        self._stopping.wait(seconds)

    def is_idle(self) -> bool:
        """True when no work item is open, or when nobody here works: others may keep a shared ledger busy for ever."""
        return not self._threads or not self._catalogue.open_items()

    def _live(self, runnable: Runnable) -> None:
        try:
            runnable.run(self._stopping)
        except BaseException as error:  # noqa: BLE001 - a thread's edge: kept for check(), which raises it again
            self._deaths.append(error)
            self._stopping.set()


@contextmanager
def elsewhere(container: HasCatalogue, _notice: Callable[[str], None]) -> Iterator[Services]:
    """No worker of our own: other processes work off the same catalogue."""
    yield Services(container.catalogue, ())
