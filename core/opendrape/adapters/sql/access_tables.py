"""Which tables keep API keys and the seals of the audit."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, String, Table

from opendrape.adapters.sql.columns import PSEUDONYM_LENGTH, SHA256_LENGTH, SLUG_LENGTH, UtcTime, big_number, facts
from opendrape.adapters.sql.tables import METADATA

KEY_ID_LENGTH = 16

api_keys = Table(
    "api_keys",
    METADATA,
    Column("key_id", String(KEY_ID_LENGTH), primary_key=True),
    Column("client", String(PSEUDONYM_LENGTH), nullable=False),
    Column("label", String(SLUG_LENGTH), nullable=False),
    Column("digest", String(SHA256_LENGTH), nullable=False),
    Column("roles", facts(), nullable=False),
    Column("scopes", facts(), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
    Index(None, "client"),
)

# A seal says nothing that the event does not say; it only proves that the event is the one that was sealed, and where.
audit_seals = Table(
    "audit_seals",
    METADATA,
    Column("position", big_number(), primary_key=True, autoincrement=False),
    Column("event_id", big_number(), ForeignKey("audit_events.event_id"), nullable=False, unique=True),
    Column("sealed_at", UtcTime, nullable=False),
    Column("key_id", String(KEY_ID_LENGTH), nullable=False),
    Column("mac", String(SHA256_LENGTH), nullable=False),
    CheckConstraint("position > 0", name="position"),
)
