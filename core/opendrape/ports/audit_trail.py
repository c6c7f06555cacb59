"""The audit's events with their seals, and where the chain's head is anchored outside the catalogue (H-09)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from opendrape.domain.audit import Anchor, Seal, StoredEvent

Sign = Callable[[Seal | None, Sequence[StoredEvent], datetime], Sequence[Seal]]
"""Makes the seals of these events, which follow this head, at this time."""


class AuditTrail(Protocol):
    """Reads the trail and extends its chain; never changes an event. ``CatalogueUnavailable`` when nothing answers."""

    def seal_next(self, sign: Sign, *, limit: int, everything: bool = False) -> Sequence[Seal]:
        """Seal the oldest events without a seal, in one transaction; returns the new seals, none when there is nothing
        to do or another sealer was faster. Events far behind the newest sealed one are looked for with ``everything``.
        """

    def head(self) -> Seal | None:
        """The newest seal."""

    def seal_at(self, position: int) -> Seal | None:
        """The seal at that position."""

    def sealed(self, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[Seal, StoredEvent | None]]:
        """Seals after a position in order, each with its event; None where the event is gone."""

    def unsealed(self, *, after: int = 0, limit: int = 1000) -> Sequence[StoredEvent]:
        """Events without a seal, after an event's number, in order of numbers."""

    def events(self, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[StoredEvent, Seal | None]]:
        """Events after an event's number, in order of numbers, each with its seal if it has one."""


class Anchors(Protocol):
    """Where heads are kept: append-only, durable when ``append`` returns, beyond the reach of the catalogue's owner."""

    def append(self, anchor: Anchor) -> None:
        """Keep one more. ``StorageUnavailable`` when it cannot be written."""

    def read(self) -> Sequence[Anchor]:
        """All that can be read, oldest first. ``StorageUnavailable``."""
