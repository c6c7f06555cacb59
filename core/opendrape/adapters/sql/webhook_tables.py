"""Which tables webhooks have: who is told, what is to be told, and how each telling went."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Index, Integer, String, Table, insert, literal, select

from opendrape.adapters.sql.columns import PSEUDONYM_LENGTH, SLUG_LENGTH, UtcTime, big_number, words
from opendrape.adapters.sql.tables import METADATA
from opendrape.adapters.sql.upload_tables import SUBJECT_LENGTH
from opendrape.domain.webhooks import DeliveryState

webhook_endpoints = Table(
    "webhook_endpoints",
    METADATA,
    Column("endpoint_id", String(PSEUDONYM_LENGTH), primary_key=True),
    Column("owner", String(SUBJECT_LENGTH), nullable=False),
    Column("sees_all", Boolean, nullable=False),
    Column("url", String(2048), nullable=False),
    Column("secret_version", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("reason", String(SLUG_LENGTH)),
    Column("created_at", UtcTime, nullable=False),
    Index(None, "owner", "endpoint_id"),
)

# Written in the transaction of the event; emptied once it was fanned out to the endpoints.
webhook_events = Table(
    "webhook_events",
    METADATA,
    Column("event_id", big_number(), ForeignKey("audit_events.event_id"), primary_key=True, autoincrement=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    METADATA,
    Column("delivery_id", big_number(), primary_key=True),
    Column("endpoint_id", String(PSEUDONYM_LENGTH), ForeignKey("webhook_endpoints.endpoint_id"), nullable=False),
    Column("event_id", big_number(), nullable=False),
    Column("asset_id", String(PSEUDONYM_LENGTH), nullable=False),
    Column("action", String(SLUG_LENGTH), nullable=False),
    Column("reason", String(SLUG_LENGTH)),
    Column("happened_at", UtcTime, nullable=False),
    Column("state", words(DeliveryState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("last_status", Integer),
    Column("last_reason", String(SLUG_LENGTH)),
    Column("last_at", UtcTime),
    Index(None, "state", "due_at"),
    Index(None, "endpoint_id", "event_id", unique=True),
    sqlite_autoincrement=True,
)


def note_for_webhooks(connection: Connection, event_id: int) -> None:
    """Note an event in its own transaction, when anybody wants to be told."""
    wanted = select(literal(event_id)).where(select(webhook_endpoints.c.endpoint_id).where(_IS_ACTIVE).exists())
    connection.execute(insert(webhook_events).from_select(["event_id"], wanted))


_IS_ACTIVE = webhook_endpoints.c.active
