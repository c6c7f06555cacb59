"""How a worker stays the owner while it works: a thread beats, and progress calls notice when the lease is gone."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol

from opendrape.domain.work import Lease
from opendrape.errors import Disposition, OpenDrapeError, StaleLease
from opendrape.ledger.events import OnEvent, about
from opendrape.ports.catalogue import Catalogue


class Progress(Protocol):
    """What a handler calls while it works."""

    def __call__(self, fraction: float) -> None:
        """Cheap, no I/O; call often. ``fraction`` in 0..1. Raises ``StaleLease`` when the lease is lost and
        :class:`Stopping` when the process shuts down; a handler lets both pass.
        """


class Stopping(OpenDrapeError):
    """The process shuts down: stop now. The lease is given back and the attempt does not count."""

    disposition = Disposition.ABANDON
    default_reason = "stopping"
    next_step = "Nothing to do: the next start goes on."


class Heart:
    """Beats in a thread while the context lasts; calling it is the handler's :class:`Progress`."""

    def __init__(
        self,
        catalogue: Catalogue,
        lease: Lease,
        *,
        lease_seconds: float,
        heartbeat_seconds: float,
        stop: threading.Event,
        on_event: OnEvent,
    ) -> None:
        self._catalogue = catalogue
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stop = stop
        self._on_event = on_event
        self._fraction = 0.0
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heart-{lease.item_id}", daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def __call__(self, fraction: float) -> None:
        if self._lost.is_set():
            raise StaleLease()
        if self._stop.is_set():
            raise Stopping()
        self._fraction = fraction

    def _beat(self) -> None:
        while not self._lost.is_set() and not self._ended.wait(self._heartbeat_seconds):
            try:
                self._catalogue.heartbeat(self._lease, lease_seconds=self._lease_seconds, progress=self._fraction)
            except StaleLease:
                self._lost.set()
            except Exception as error:  # noqa: BLE001 - a thread's edge; the next beat may get through, the epoch decides
                self._on_event("heartbeat_missed", about(self._lease) | {"exc_info": error})
