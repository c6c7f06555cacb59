"""How one thread wakes another in the same process."""

from __future__ import annotations

import threading
from collections.abc import Collection

from opendrape.domain.work import WorkKind
from opendrape.ports.doorbell import Doorbell

_MOST_KEPT = 1024


class InProcessDoorbell(Doorbell):
    """Rings are kept until somebody waits; each wakes one. Past a limit further ones are dropped: workers poll."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung: dict[WorkKind, set[int]] = {kind: set() for kind in WorkKind}

    def ring(self, kind: WorkKind, item_id: int) -> None:
        with self._changed:
            if len(self._rung[kind]) < _MOST_KEPT:
                self._rung[kind].add(item_id)
            self._changed.notify_all()

    def wait(self, kinds: Collection[WorkKind], timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._answer(kinds), timeout_seconds)

    def _answer(self, kinds: Collection[WorkKind]) -> bool:
        for kind in kinds:
            if self._rung[kind]:
                self._rung[kind].pop()
                return True
        return False
