"""What an audit event is: who did what to which object, never about whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One fact for the audit: appended in the transaction of the change it records."""

    actor: str
    action: str
    object_id: str
    at: datetime
    facts: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with the number that the catalogue gave it."""

    event_id: int
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class Seal:
    """The proof that one event stands at one place of the chain, unchanged: ``mac`` covers event, place and the seal
    before. Positions count from 1 without a gap.
    """

    position: int
    event_id: int
    sealed_at: datetime
    key_id: str
    mac: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the chain at one time, kept outside the catalogue; ``proof`` makes it forgeable with the key only."""

    position: int
    mac: str
    at: datetime
    key_id: str
    proof: str
