"""Who wakes a worker: a ring carries an item's id and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from opendrape.domain.work import WorkKind
from opendrape.ports.catalogue import OutboxRing


class Fate(StrEnum):
    """What becomes of a ring that was held."""

    OVER = "over"
    """the item ended, somebody else has it, or the ledger rings again by itself"""
    BACK = "back"
    """somebody should hear it again, now"""
    DEAD = "dead"
    """the item failed for good: kept aside with the reason, for a person"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fate; ``reason`` is a slug of ``domain.reasons`` and goes with ``DEAD``."""

    fate: Fate
    reason: str | None = None


class HeldRing(Protocol):
    """A ring that nobody else hears while this worker has it. Its loss is harmless: the ledger alone decides."""

    @property
    def kind(self) -> WorkKind:
        """Of which queue."""

    @property
    def item_id(self) -> int:
        """For which item."""

    def settle(self, verdict: Verdict) -> None:
        """Let go of it; only the first call counts. Never an error, never waits for the bus."""


class Doorbell(Protocol):
    """Rings may be lost, doubled or reordered; the ledger alone decides who works on what."""

    def ring(self, kind: WorkKind, item_id: int) -> None:
        """Say that there may be work of this kind. Idempotent. ``BusUnavailable`` when nobody can be told now."""

    def wait(self, kinds: Collection[WorkKind], timeout_seconds: float) -> bool:
        """Block until somebody rang for one of ``kinds`` (True) or the time is over (False). Never an error."""

    def ring_all(self, rings: Sequence[OutboxRing]) -> None:
        """Ring for each, together where that is cheaper. ``BusUnavailable``: some may have been, ring for all again."""
        for ring in rings:
            self.ring(ring.kind, ring.item_id)

    def hold(self, kinds: Collection[WorkKind], timeout_seconds: float) -> HeldRing | None:
        """Wait as ``wait`` does and hold the ring that was heard, for the calling thread. None: time is over, or this
        bell's rings cannot be held; either way the caller looks into the ledger. Never an error.
        """
        self.wait(kinds, timeout_seconds)
        return None

    def check(self) -> None:
        """Really ask the bus, in a few seconds at most; ``BusUnavailable`` when it does not answer."""
        return

    def close(self) -> None:
        """Give back what is held and end. Idempotent."""
        return
