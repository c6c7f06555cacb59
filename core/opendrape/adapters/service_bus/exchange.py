"""Where do heard rings wait for a worker: any thread of this process that wants one of their kind takes the oldest."""

from __future__ import annotations

import threading
from collections.abc import Collection

from opendrape.adapters.service_bus.held import Held
from opendrape.domain.work import WorkKind


class Exchange:
    """Ears put rings in; workers take them out; what nobody takes is withdrawn again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings: list[Held] = []

    def put(self, held: Held) -> None:
        """Offer a ring."""
        with self._changed:
            self._rings.append(held)
            self._changed.notify_all()

    def take(self, kinds: Collection[WorkKind], seconds: float) -> Held | None:
        """The oldest ring of these kinds, waited for."""
        with self._changed:
            self._changed.wait_for(lambda: any(ring.kind in kinds for ring in self._rings), max(0.0, seconds))
            found = next((ring for ring in self._rings if ring.kind in kinds), None)
            if found is not None:
                self._rings.remove(found)
            return found

    def withdraw(self, held: Held) -> bool:
        """Take an offer back; False when somebody has the ring."""
        with self._changed:
            is_there = held in self._rings
            if is_there:
                self._rings.remove(held)
            return is_there
