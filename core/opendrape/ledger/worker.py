"""How a service works off the ledger: claim an item, let the handler do it, settle what came of it, wait for a ring."""

from __future__ import annotations

import contextlib
import threading
from typing import Protocol

from opendrape.domain.work import Failure, Lease, Outcome, WorkKind
from opendrape.errors import (
    OUTAGES,
    BusUnavailable,
    CatalogueUnavailable,
    Disposition,
    OpenDrapeError,
    StaleLease,
    TransientError,
)
from opendrape.ledger.caretaker import Caretaker, relay_rings
from opendrape.ledger.events import OnEvent, about, log_event
from opendrape.ledger.heart import Heart, Progress, Stopping
from opendrape.ledger.ring_verdict import BACK, verdict_on
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.doorbell import Doorbell, HeldRing

__all__ = ["Caretaker", "Handler", "Progress", "Stopping", "Worker"]

POLL_SECONDS = 1.0
"""How long a worker waits for a ring before it looks for itself: rings may be lost, or stay in another process."""

PAUSE_SECONDS = 1.0
"""How long it leaves a catalogue alone that did not answer."""

SETTLE_TRIES = 5


class Handler(Protocol):
    """What a service does with an item. Idempotent: an item may be handled again after a crash at any point."""

    @property
    def kinds(self) -> frozenset[WorkKind]:
        """Which kinds of work it can do."""

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        """Do it and return the outcome. An error's disposition decides what becomes of the item; one that is no
        ``OpenDrapeError`` counts as ``unexpected`` and is tried again a few times.
        """


class Worker:
    """Does one item at a time. Several may run side by side, in threads, processes or machines."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        doorbell: Doorbell,
        clock: Clock,
        handler: Handler,
        owner: str,
        lease_seconds: float,
        heartbeat_seconds: float,
        on_event: OnEvent = log_event,
    ) -> None:
        self._catalogue = catalogue
        self._doorbell = doorbell
        self._clock = clock
        self._handler = handler
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._on_event = on_event
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. A silent catalogue is waited for; anything else ends the call."""
        self._stop = stop
        patience = 0.0
        while not stop.is_set():
            ring = self._doorbell.hold(self._handler.kinds, patience)
            try:
                worked = self.run_once() if ring is None else self._answer(ring)
            except CatalogueUnavailable as error:
                self._rest(error)
                continue
            patience = 0.0 if worked else POLL_SECONDS

    def run_once(self) -> bool:
        """Work on one item if one is due; True when there was one, whatever came of it.

        ``CatalogueUnavailable`` only from the claim. An interrupt gives the lease back and passes.
        """
        lease = self._catalogue.claim(self._handler.kinds, owner=self._owner, lease_seconds=self._lease_seconds)
        if lease is not None:
            self._work(lease)
        return lease is not None

    def _answer(self, ring: HeldRing) -> bool:
        """Work on the item that was rung for, holding the ring so long; True when it was ours."""
        verdict = BACK
        try:
            lease = self._claim_patiently(ring)
            if lease is not None:
                self._work(lease)
            if lease is not None or not self._stop.is_set():
                verdict = verdict_on(self._catalogue, ring.item_id, worked=lease is not None)
        finally:
            ring.settle(verdict)
        return lease is not None

    def _claim_patiently(self, ring: HeldRing) -> Lease | None:
        # A silent catalogue is waited for with the ring in hand: back and forth it would wear out its deliveries.
        while not self._stop.is_set():
            try:
                return self._catalogue.claim_item(ring.item_id, owner=self._owner, lease_seconds=self._lease_seconds)
            except CatalogueUnavailable as error:
                self._rest(error)
        return None

    def _rest(self, error: CatalogueUnavailable) -> None:
        self._on_event("catalogue_silent", {"exc_info": error})
        self._stop.wait(PAUSE_SECONDS)

    def _work(self, lease: Lease) -> None:
        started = self._clock.monotonic()
        self._settle(lease, self._attempt(lease), started)
        self._wake_others()

    def _attempt(self, lease: Lease) -> Outcome | Failure | None:
        """The outcome, why there is none, or None when the lease was lost and nothing may be written."""
        self._on_event("work_started", about(lease))
        try:
            with self._heart(lease) as progress:
                return self._handler.handle(lease, progress)
        except StaleLease as error:
            self._lost(lease, error)
            return None
        except Exception as error:  # noqa: BLE001 - the loop's edge: every error becomes a named state of the item
            return self._failed(lease, error)
        except BaseException as error:
            self._fail(lease, _failure(Stopping()))
            raise error

    def _heart(self, lease: Lease) -> Heart:
        return Heart(
            self._catalogue,
            lease,
            lease_seconds=self._lease_seconds,
            heartbeat_seconds=self._heartbeat_seconds,
            stop=self._stop,
            on_event=self._on_event,
        )

    def _settle(self, lease: Lease, ended: Outcome | Failure | None, started: float) -> None:
        failure = ended if isinstance(ended, Failure) or ended is None else self._complete(lease, ended, started)
        if failure is not None:
            self._fail(lease, failure)

    def _complete(self, lease: Lease, outcome: Outcome, started: float) -> Failure | None:
        try:
            self._insist_on_completing(lease, outcome)
        except StaleLease as error:
            self._lost(lease, error)
            return None
        except Exception as error:  # noqa: BLE001 - the loop's edge, as above
            return self._failed(lease, error)
        self._on_event("work_done", about(lease) | {"seconds": round(self._clock.monotonic() - started, 3)})
        return None

    def _insist_on_completing(self, lease: Lease, outcome: Outcome) -> None:
        """A finished chunk may be minutes of work: ask a catalogue that did not answer again."""
        for _ in range(SETTLE_TRIES - 1):
            with contextlib.suppress(CatalogueUnavailable):
                return self._catalogue.complete(lease, outcome)
            self._stop.wait(PAUSE_SECONDS)
        return self._catalogue.complete(lease, outcome)

    def _fail(self, lease: Lease, failure: Failure) -> None:
        try:
            self._catalogue.fail(lease, failure)
        except StaleLease as error:
            self._lost(lease, error)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the lease runs out and the sweeper takes the item
            self._on_event("work_not_settled", about(lease) | {"reason": failure.reason, "exc_info": error})

    def _failed(self, lease: Lease, error: Exception) -> Failure:
        failure = _failure(self._in_this_light(error))
        event = _EVENTS.get(failure.disposition, "work_failed")
        self._on_event(event, about(lease) | {"reason": failure.reason, "exc_info": error})
        return failure

    def _in_this_light(self, error: Exception) -> Exception:
        # Ctrl-C reaches the children too: what fails for a passing reason while we stop says nothing about the item.
        passing = not isinstance(error, OpenDrapeError) or error.disposition is Disposition.RETRY
        return Stopping() if passing and self._stop.is_set() else error

    def _lost(self, lease: Lease, error: StaleLease) -> None:
        self._on_event("lease_lost", about(lease) | {"exc_info": error})

    def _wake_others(self) -> None:
        with contextlib.suppress(CatalogueUnavailable, BusUnavailable):  # the caretaker relays what is left
            relay_rings(self._catalogue, self._doorbell)


_EVENTS = {Disposition.ABANDON: "work_given_back", Disposition.WAIT: "work_waits"}


def _failure(error: Exception) -> Failure:
    """What the ledger keeps of an error: its reason and class, never its words."""
    detail = type(error).__name__
    if isinstance(error, OpenDrapeError):
        is_outage = isinstance(error, TransientError) and error.reason in OUTAGES
        return Failure(error.reason, Disposition.WAIT if is_outage else error.disposition, detail)
    return Failure(reason="unexpected", disposition=Disposition.RETRY, detail=detail)
