"""What every change carries along (connection, time, retry rule) and leaves behind (audit events, rings)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from opendrape.adapters.sql.tables import audit_events, outbox
from opendrape.adapters.sql.webhook_tables import note_for_webhooks
from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import AssetState
from opendrape.domain.work import RetryRule, WorkKind

_TOLD = frozenset(f"asset.{state}" for state in AssetState)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One open transaction. ``now`` is read once, so that everything in it happens at the same time."""

    connection: Connection
    now: datetime
    retry: RetryRule

    def record(self, actor: str, action: str, object_id: str, **facts: str | int | None) -> None:
        """Append an audit event; facts that are None are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        self.append(AuditEvent(actor=actor, action=action, object_id=object_id, at=self.now, facts=known))

    def append(self, event: AuditEvent) -> None:
        """Append a ready event."""
        added = self.connection.execute(
            insert(audit_events).values(
                at=event.at, actor=event.actor, action=event.action, object_id=event.object_id, facts=event.facts
            )
        )
        if event.action in _TOLD and added.inserted_primary_key:
            note_for_webhooks(self.connection, added.inserted_primary_key[0])

    def ring(self, item_id: int, kind: WorkKind, due_at: datetime) -> None:
        """Ask for a ring once the item is due."""
        self.connection.execute(insert(outbox).values(kind=kind, item_id=item_id, due_at=due_at))
