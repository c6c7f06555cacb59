"""How do all services run in one process: one lock, one thread per worker, media only in their child processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.bootstrap import Container
from opendrape.errors import TransientError
from opendrape.ledger.tidying import Tidier
from opendrape.ledger.worker import Caretaker, Worker
from opendrape.ports.catalogue import Catalogue
from opendrape.state_folder import empty_folder, sole_owner
from opendrape_ingest.composition import build_ingest, build_upload_intake
from opendrape_masker.composition import build_masker
from opendrape_uploader.composition import build_uploader


class Runnable(Protocol):
    """Anything that works until ``stop`` is set."""

    def run(self, stop: threading.Event) -> None: ...


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

    def stop(self) -> None:
        """Ask every worker to stop and wait until all have; their leases are given back. Idempotent."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

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

    def wait_until_idle(self, tick: Callable[[], None], *, interval_seconds: float = 0.2) -> None:
        """Return when no work item is open; calls ``tick`` about every ``interval_seconds``."""
        while self._catalogue.open_items():
            self.check()
            tick()
            self._stopping.wait(interval_seconds)
        self.check()
        tick()

    def _live(self, runnable: Runnable) -> None:
        try:
            runnable.run(self._stopping)
        except BaseException as error:  # noqa: BLE001 - a thread's edge: kept for check(), which raises it again
            self._deaths.append(error)
            self._stopping.set()


@contextmanager
def embedded(
    container: Container, *more: Runnable, notice: Callable[[str], None] = lambda _text: None
) -> Iterator[Services]:
    """All services, and ``more``, while the context lasts. ``notice`` is told of a new receipt key.

    ``ConfigurationError`` when another process serves this state folder.
    """
    with sole_owner(container.settings.state_dir):
        _sweep(container)
        services = Services(container.catalogue, [*compose(container, notice), *more])
        services.start()
        try:
            yield services
        finally:
            services.stop()
        _tidy(container)


def compose(container: Container, notice: Callable[[str], None] = lambda _text: None) -> list[Runnable]:
    """The caretakers and every service's workers, not yet running. Makes the receipt key on first use."""
    workers: list[Worker] = [
        *build_ingest(container),
        *build_masker(container),
        *build_uploader(container, notice=notice),
    ]
    caretaker = Caretaker(
        catalogue=container.catalogue,
        doorbell=container.doorbell,
        clock=container.clock,
        sweep_seconds=container.settings.work.sweep_seconds,
    )
    tidiers = [] if container.settings.work.keep_intermediate else [_tidier(container)]
    return [caretaker, *tidiers, *workers, build_upload_intake(container)]


def _tidier(container: Container) -> Tidier:
    return Tidier(container.catalogue, container.work_blobs, every_seconds=container.settings.work.sweep_seconds)


def _sweep(container: Container) -> None:
    container.catalogue.reclaim()
    empty_folder(container.settings.scratch_dir)
    for store in (container.work_blobs, container.destination_blobs):
        if isinstance(store, LocalBlobStore):
            store.sweep_partials()
    _tidier(container).sweep_orphans()
    _tidy(container)


def _tidy(container: Container) -> None:
    """Only while no worker lives, or after: what cannot be removed now is removed at the next start."""
    if not container.settings.work.keep_intermediate:
        with suppress(TransientError):
            _tidier(container).tidy()
