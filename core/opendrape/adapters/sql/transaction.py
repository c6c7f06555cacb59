"""What every change carries along (connection, time, retry rule) and leaves behind (audit events, rings)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.tables import audit_events, outbox
from opendrape.adapters.sql.webhook_tables import note_for_webhooks
from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import AssetState
from opendrape.domain.work import RetryRule, WorkKind
from opendrape.ports.clock import Clock

_TOLD = frozenset(f"asset.{state}" for state in AssetState)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One open transaction. ``now`` is read once, so that everything in it happens at the same time."""

    connection: Connection
    now: datetime
    retry: RetryRule

    @property
    def is_postgresql(self) -> bool:
        """True where one statement can do what SQLite needs several for."""
        return self.connection.dialect.name == "postgresql"

    def record(self, actor: str, action: str, object_id: str, **facts: str | int | None) -> None:
        """Append an audit event; facts that are None are left out."""
        self.append(self.event(actor, action, object_id, **facts))

    def event(self, actor: str, action: str, object_id: str, **facts: str | int | None) -> AuditEvent:
        """An audit event of now; facts that are None are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        return AuditEvent(actor=actor, action=action, object_id=object_id, at=self.now, facts=known)

    def append(self, *events: AuditEvent) -> None:
        """Append ready events, in order."""
        rows = [
            {"at": event.at, "actor": event.actor, "action": event.action, "object_id": event.object_id}
            | {"facts": event.facts}
            for event in events
        ]
        if not any(event.action in _TOLD for event in events):
            self.connection.execute(insert(audit_events), rows)
            return
        statement = insert(audit_events).returning(audit_events.c.event_id, sort_by_parameter_order=True)
        numbers = self.connection.execute(statement, rows).scalars().all()
        for event, number in zip(events, numbers, strict=True):
            if event.action in _TOLD:
                note_for_webhooks(self.connection, number)

    def ring(self, kind: WorkKind, due_at: datetime, *item_ids: int) -> None:
        """Ask for a ring for each item once it is due."""
        rows = [{"kind": kind, "item_id": item_id, "due_at": due_at} for item_id in item_ids]
        self.connection.execute(insert(outbox), rows)


@dataclass(frozen=True, slots=True)
class Transactions:
    """Begins transactions on one database."""

    database: Database
    clock: Clock
    retry: RetryRule

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent view."""
        with self.database.read() as connection:
            yield Transaction(connection, self.clock.now(), self.retry)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """May write; the time is read after the write lock was waited for."""
        with self.database.write() as connection:
            yield Transaction(connection, self.clock.now(), self.retry)
