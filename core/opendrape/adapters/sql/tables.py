"""Which tables the catalogue has, and which promises the database itself keeps."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, text

from opendrape.adapters.sql.columns import (
    PSEUDONYM_LENGTH,
    SHA256_LENGTH,
    SLUG_LENGTH,
    UtcTime,
    big_number,
    facts,
    words,
)
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import ArtefactKind, WorkKind

WHOLE = -1
"""The chunk number of anything that concerns the whole asset."""

ANY_POLICY = ""
"""The policy digest of an artefact that depends on no policy (a timeline)."""

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_asset(*, primary: bool = False) -> Column[str]:
    return Column(
        "asset_id", String(PSEUDONYM_LENGTH), ForeignKey("assets.asset_id"), primary_key=primary, nullable=False
    )


def _digest(name: str, *, primary: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, String(SHA256_LENGTH), primary_key=primary, unique=unique or None, nullable=False)


assets = Table(
    "assets",
    METADATA,
    Column("asset_id", String(PSEUDONYM_LENGTH), primary_key=True),
    Column("subject_id", String(PSEUDONYM_LENGTH)),
    _digest("content_sha256", unique=True),
    Column("size_bytes", big_number(), nullable=False),
    Column("state", words(AssetState), nullable=False),
    Column("reason", String(SLUG_LENGTH)),
    Column("policy_name", String(SLUG_LENGTH), nullable=False),
    _digest("policy_digest"),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index(None, "state", "asset_id"),
    Index(None, "subject_id", "asset_id"),
)

media_info = Table(
    "media_info",
    METADATA,
    _of_asset(primary=True),
    Column("body", facts(), nullable=False),
)

chunks = Table(
    "chunks",
    METADATA,
    _of_asset(primary=True),
    _digest("policy_digest", primary=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("start_frame", big_number(), nullable=False),
    Column("end_frame", big_number(), nullable=False),
    CheckConstraint("0 <= start_frame AND start_frame < end_frame", name="span"),
)

segments = Table(
    "segments",
    METADATA,
    Column("segment_id", big_number(), primary_key=True),
    _of_asset(),
    Column("label", String(SLUG_LENGTH), nullable=False),
    Column("start_frame", big_number(), nullable=False),
    Column("end_frame", big_number(), nullable=False),
    CheckConstraint("0 <= start_frame AND start_frame < end_frame", name="span"),
    Index(None, "asset_id", "start_frame"),
)

OPEN = text("state IN ('queued', 'leased')")
_QUEUED = text("state = 'queued'")
ENDED = text("state IN ('done', 'failed', 'cancelled')")

work_items = Table(
    "work_items",
    METADATA,
    Column("item_id", big_number(), primary_key=True),
    _of_asset(),
    Column("kind", words(WorkKind), nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("policy_name", String(SLUG_LENGTH), nullable=False),
    _digest("policy_digest"),
    Column("state", words(WorkState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_epoch", big_number(), nullable=False),
    Column("owner", String(128)),
    Column("lease_until", UtcTime),
    Column("due_at", UtcTime, nullable=False),
    Column("rung_at", UtcTime, nullable=False),
    Column("progress", Float, nullable=False),
    Column("reason", String(SLUG_LENGTH)),
    CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name="deadline"),
    CheckConstraint("attempts >= 0 AND lease_epoch >= 0", name="counts"),
    Index(None, "state", "kind", "due_at"),
    Index(None, "state", "lease_until"),
    # how ended items are counted, and the order in which waiting ones are claimed
    Index("ix_work_items_ended", "kind", "state", "reason", sqlite_where=ENDED, postgresql_where=ENDED),
    Index("ix_work_items_due", "due_at", "item_id", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    Index(None, "asset_id", "policy_digest", "kind"),
    Index(
        "uq_work_items_one_open",
        "asset_id",
        "kind",
        "chunk",
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    ),
    sqlite_autoincrement=True,
)

_PUBLISHED = text("kind = 'published'")

artefacts = Table(
    "artefacts",
    METADATA,
    _of_asset(primary=True),
    _digest("policy_digest", primary=True),
    Column("kind", words(ArtefactKind), primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("name", String(512), nullable=False),
    _digest("sha256"),
    Column("size_bytes", big_number(), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index(
        "uq_artefacts_one_published",
        "asset_id",
        "policy_digest",
        unique=True,
        sqlite_where=_PUBLISHED,
        postgresql_where=_PUBLISHED,
    ),
)

reports = Table(
    "reports",
    METADATA,
    _of_asset(primary=True),
    _digest("policy_digest", primary=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("outcome", facts(), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

audit_events = Table(
    "audit_events",
    METADATA,
    Column("event_id", big_number(), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(SLUG_LENGTH), nullable=False),
    Column("object_id", String(128), nullable=False),
    Column("facts", facts(), nullable=False),
    Index(None, "object_id", "event_id"),
    sqlite_autoincrement=True,
)

# A ring's number is never used twice, or "sent" for an old ring would silence a new one.
outbox = Table(
    "outbox",
    METADATA,
    Column("ring_id", big_number(), primary_key=True),
    Column("kind", words(WorkKind), nullable=False),
    Column("item_id", big_number(), ForeignKey("work_items.item_id"), nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Index(None, "due_at"),
    sqlite_autoincrement=True,
)
