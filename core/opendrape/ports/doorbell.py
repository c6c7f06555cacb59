"""Who wakes a worker: a ring carries an item's id and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from opendrape.domain.work import WorkKind


class Doorbell(Protocol):
    """Rings may be lost, doubled or reordered; the ledger alone decides who works on what."""

    def ring(self, kind: WorkKind, item_id: int) -> None:
        """Say that there may be work of this kind. Idempotent."""

    def wait(self, kinds: Collection[WorkKind], timeout_seconds: float) -> bool:
        """Block until somebody rang for one of ``kinds`` (True) or the time is over (False). Never an error."""
