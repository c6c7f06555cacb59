"""Which rings were kept aside because nobody can work on them, and why (O-04)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from opendrape.domain.work import WorkKind


class LetterClass(StrEnum):
    """What is wrong, and so what helps."""

    ITEM_FAILED = "item_failed"
    """the item failed for good or waits in quarantine: mend the cause, then replay"""
    WORN_OUT = "worn_out"
    """delivered as often as allowed and never settled: workers died of it, or the bus was ill; replay"""
    UNKNOWN_ITEM = "unknown_item"
    """another ledger's ring: it cannot be replayed here"""
    UNREADABLE = "unreadable"
    """no ring, or one of another version: it cannot be replayed by this version"""


_CLASSES = {
    "ring_delivered_too_often": LetterClass.WORN_OUT,
    "ring_item_unknown": LetterClass.UNKNOWN_ITEM,
    "ring_malformed": LetterClass.UNREADABLE,
    "ring_version_unknown": LetterClass.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One ring kept aside. ``number`` is the bus's own; ``reason`` a slug of ``domain.reasons``."""

    queue: WorkKind
    number: int
    reason: str
    item_id: int | None
    deliveries: int
    rung_at: datetime | None

    @property
    def sort(self) -> LetterClass:
        """Its class, by the reason."""
        return _CLASSES.get(self.reason, LetterClass.ITEM_FAILED)


class DeadLetters(Protocol):
    """``BusUnavailable`` from every call when the bus does not answer."""

    def letters(self, limit: int = 100) -> Sequence[DeadLetter]:
        """At most ``limit`` per queue, oldest first. Changes nothing."""

    def work_off(self, act: Callable[[DeadLetter], bool]) -> int:
        """Call ``act`` for every letter; one for which it answers True is removed afterwards. Answers how many were.

        ``act`` is idempotent: a crash in between calls it again for the same letter. What it raises passes; the letters
        that are left stay.
        """

    def close(self) -> None:
        """End. Idempotent."""


class NoDeadLetters(DeadLetters):
    """Without a bus nothing is kept aside: the ledger has all failed items."""

    def letters(self, limit: int = 100) -> Sequence[DeadLetter]:  # noqa: ARG002 - the port's signature
        return ()

    def work_off(self, act: Callable[[DeadLetter], bool]) -> int:  # noqa: ARG002 - the port's signature
        return 0

    def close(self) -> None:
        return
