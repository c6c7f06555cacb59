"""Who looks after the ledger: collects leases that ran out and carries rings from the outbox to the doorbell."""

from __future__ import annotations

import threading

from opendrape.errors import BusUnavailable, CatalogueUnavailable
from opendrape.ledger.events import OnEvent, log_event
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.doorbell import Doorbell

RELAY_SECONDS = 0.25
"""How long a ring of another process or thread may lie in the outbox."""

_BATCH = 100


class Caretaker:
    """May run anywhere, any number of times: everything it does is idempotent."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        doorbell: Doorbell,
        clock: Clock,
        sweep_seconds: float,
        on_event: OnEvent = log_event,
    ) -> None:
        self._catalogue = catalogue
        self._doorbell = doorbell
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._on_event = on_event
        self._swept_at: float | None = None
        self._is_bus_silent = False

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set. A silent catalogue is waited for; anything else ends the call."""
        while not stop.is_set():
            try:
                self.tick()
            except CatalogueUnavailable as error:
                self._on_event("catalogue_silent", {"exc_info": error})
            except BusUnavailable as error:
                self._say_once("bus_silent", error)
            stop.wait(min(RELAY_SECONDS, self._sweep_seconds))

    def tick(self) -> None:
        """Sweep when it is time to, then relay every ring that is due. ``CatalogueUnavailable`` passes."""
        now = self._clock.monotonic()
        if self._swept_at is None or now - self._swept_at >= self._sweep_seconds:
            self._swept_at = now
            self._sweep()
        relay_rings(self._catalogue, self._doorbell)
        self._is_bus_silent = False

    def _say_once(self, event: str, error: BusUnavailable) -> None:
        if not self._is_bus_silent:
            self._on_event(event, {"exc_info": error})
        self._is_bus_silent = True

    def _sweep(self) -> None:
        changed = self._catalogue.sweep()
        if changed:
            self._on_event("leases_collected", {"rows": changed})


def relay_rings(catalogue: Catalogue, doorbell: Doorbell) -> int:
    """Ring for everything in the outbox, then mark it as sent: a crash between rings twice, never not at all.

    ``BusUnavailable`` leaves the rest in the outbox.
    """
    relayed = 0
    while rings := catalogue.take_rings(_BATCH):
        doorbell.ring_all(rings)
        catalogue.rings_sent([ring.ring_id for ring in rings])
        relayed += len(rings)
    return relayed
