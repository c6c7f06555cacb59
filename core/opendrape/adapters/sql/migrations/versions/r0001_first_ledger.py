"""The first schema: assets, their media and chunks, the work ledger, artefacts, audit and outbox."""

from __future__ import annotations

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

T = TypeVar("T")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out and frozen: a later change of the tables module must not rewrite history.
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_FACTS = sa.JSON().with_variant(JSONB(), "postgresql")
_WORD = sa.String(64)
_DIGEST = sa.String(64)
_ACTOR = sa.String(128)
_SPAN = "0 <= start_frame AND start_frame < end_frame"
_OPEN = sa.text("state IN ('queued', 'leased')")
_PUBLISHED = sa.text("kind = 'published'")


def upgrade() -> None:
    """Make every table."""
    _make_assets()
    _make_videos()
    _make_work_items()
    _make_results()
    _make_journal()


def downgrade() -> None:
    """Drop every table, the referring ones first."""
    for table in ("outbox", "audit_events", "reports", "artefacts", "work_items", "segments", "chunks"):
        op.drop_table(table)
    op.drop_table("media_info")
    op.drop_table("assets")


def _column(name: str, kind: sa.types.TypeEngine[T], *, null: bool = False) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=null, autoincrement=False)


def _of_asset(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"], name=f"fk_{table}_asset_id")


def _make_assets() -> None:
    op.create_table(
        "assets",
        _column("asset_id", _WORD),
        _column("subject_id", _WORD, null=True),
        _column("content_sha256", _DIGEST),
        _column("size_bytes", _BIG),
        _column("state", _WORD),
        _column("reason", _WORD, null=True),
        _column("policy_name", _WORD),
        _column("policy_digest", _DIGEST),
        _column("created_at", _TIME),
        _column("updated_at", _TIME),
        sa.PrimaryKeyConstraint("asset_id", name="pk_assets"),
        sa.UniqueConstraint("content_sha256", name="uq_assets_content_sha256"),
    )
    op.create_index("ix_assets_state_asset_id", "assets", ["state", "asset_id"])


def _make_videos() -> None:
    op.create_table(
        "media_info",
        _column("asset_id", _WORD),
        _column("body", _FACTS),
        sa.PrimaryKeyConstraint("asset_id", name="pk_media_info"),
        _of_asset("media_info"),
    )
    op.create_table(
        "chunks",
        _column("asset_id", _WORD),
        _column("policy_digest", _DIGEST),
        _column("chunk", sa.Integer()),
        _column("start_frame", _BIG),
        _column("end_frame", _BIG),
        sa.PrimaryKeyConstraint("asset_id", "policy_digest", "chunk", name="pk_chunks"),
        sa.CheckConstraint(_SPAN, name=op.f("ck_chunks_span")),
        _of_asset("chunks"),
    )
    op.create_table(
        "segments",
        sa.Column("segment_id", _BIG, nullable=False),
        _column("asset_id", _WORD),
        _column("label", _WORD),
        _column("start_frame", _BIG),
        _column("end_frame", _BIG),
        sa.PrimaryKeyConstraint("segment_id", name="pk_segments"),
        sa.CheckConstraint(_SPAN, name=op.f("ck_segments_span")),
        _of_asset("segments"),
    )
    op.create_index("ix_segments_asset_id_start_frame", "segments", ["asset_id", "start_frame"])


def _make_work_items() -> None:
    op.create_table(
        "work_items",
        sa.Column("item_id", _BIG, nullable=False),
        _column("asset_id", _WORD),
        _column("kind", _WORD),
        _column("chunk", sa.Integer()),
        _column("policy_name", _WORD),
        _column("policy_digest", _DIGEST),
        _column("state", _WORD),
        _column("attempts", sa.Integer()),
        _column("lease_epoch", _BIG),
        _column("owner", _ACTOR, null=True),
        _column("lease_until", _TIME, null=True),
        _column("due_at", _TIME),
        _column("rung_at", _TIME),
        _column("progress", sa.Float()),
        _column("reason", _WORD, null=True),
        sa.PrimaryKeyConstraint("item_id", name="pk_work_items"),
        sa.CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name=op.f("ck_work_items_deadline")),
        sa.CheckConstraint("attempts >= 0 AND lease_epoch >= 0", name=op.f("ck_work_items_counts")),
        _of_asset("work_items"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_items_state_kind_due_at", "work_items", ["state", "kind", "due_at"])
    op.create_index("ix_work_items_state_lease_until", "work_items", ["state", "lease_until"])
    op.create_index("ix_work_items_asset_id_policy_digest_kind", "work_items", ["asset_id", "policy_digest", "kind"])
    op.create_index(
        "uq_work_items_one_open",
        "work_items",
        ["asset_id", "kind", "chunk"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def _make_results() -> None:
    op.create_table(
        "artefacts",
        _column("asset_id", _WORD),
        _column("policy_digest", _DIGEST),
        _column("kind", _WORD),
        _column("chunk", sa.Integer()),
        _column("name", sa.String(512)),
        _column("sha256", _DIGEST),
        _column("size_bytes", _BIG),
        _column("created_at", _TIME),
        sa.PrimaryKeyConstraint("asset_id", "policy_digest", "kind", "chunk", name="pk_artefacts"),
        _of_asset("artefacts"),
    )
    op.create_index(
        "uq_artefacts_one_published",
        "artefacts",
        ["asset_id", "policy_digest"],
        unique=True,
        sqlite_where=_PUBLISHED,
        postgresql_where=_PUBLISHED,
    )
    op.create_table(
        "reports",
        _column("asset_id", _WORD),
        _column("policy_digest", _DIGEST),
        _column("chunk", sa.Integer()),
        _column("outcome", _FACTS),
        _column("created_at", _TIME),
        sa.PrimaryKeyConstraint("asset_id", "policy_digest", "chunk", name="pk_reports"),
        _of_asset("reports"),
    )


def _make_journal() -> None:
    op.create_table(
        "audit_events",
        sa.Column("event_id", _BIG, nullable=False),
        _column("at", _TIME),
        _column("actor", _ACTOR),
        _column("action", _WORD),
        _column("object_id", _ACTOR),
        _column("facts", _FACTS),
        sa.PrimaryKeyConstraint("event_id", name="pk_audit_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_object_id_event_id", "audit_events", ["object_id", "event_id"])
    op.create_table(
        "outbox",
        sa.Column("ring_id", _BIG, nullable=False),
        _column("kind", _WORD),
        _column("item_id", _BIG),
        _column("due_at", _TIME),
        sa.PrimaryKeyConstraint("ring_id", name="pk_outbox"),
        sa.ForeignKeyConstraint(["item_id"], ["work_items.item_id"], name="fk_outbox_item_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"])
