"""What the HTTP door keeps: uploads, owners of videos, replayed answers, rates, webhooks."""

from __future__ import annotations

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

T = TypeVar("T")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Written out and frozen: a later change of the tables module must not rewrite history.
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_FACTS = sa.JSON().with_variant(JSONB(), "postgresql")
_WORD = sa.String(64)
_SUBJECT = sa.String(128)


def upgrade() -> None:
    """Make every table, and the index that a patient's videos are listed by."""
    op.create_index("ix_assets_subject_id_asset_id", "assets", ["subject_id", "asset_id"])
    _make_uploads()
    _make_replays()
    _make_webhooks()


def downgrade() -> None:
    """Drop every table, the referring ones first."""
    for table in ("webhook_deliveries", "webhook_events", "webhook_endpoints", "buckets", "replays", "asset_owners"):
        op.drop_table(table)
    op.drop_table("uploads")
    op.drop_index("ix_assets_subject_id_asset_id", "assets")


def _column(name: str, kind: sa.types.TypeEngine[T], *, null: bool = False) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=null, autoincrement=False)


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        _column("upload_id", _WORD),
        _column("owner", _SUBJECT),
        _column("state", _WORD),
        _column("length", _BIG),
        _column("received", _BIG),
        _column("epoch", _BIG),
        _column("policy_name", _WORD),
        _column("declared_sha256", _WORD, null=True),
        _column("asset_id", _WORD, null=True),
        _column("reason", _WORD, null=True),
        _column("created_at", _TIME),
        _column("updated_at", _TIME),
        _column("expires_at", _TIME),
        sa.PrimaryKeyConstraint("upload_id", name="pk_uploads"),
        sa.CheckConstraint("0 <= received AND received <= length", name=op.f("ck_uploads_reach")),
    )
    op.create_index("ix_uploads_state_expires_at", "uploads", ["state", "expires_at"])
    op.create_index("ix_uploads_owner_created_at", "uploads", ["owner", "created_at"])
    op.create_table(
        "asset_owners",
        _column("owner", _SUBJECT),
        _column("asset_id", _WORD),
        _column("since", _TIME),
        sa.PrimaryKeyConstraint("owner", "asset_id", name="pk_asset_owners"),
    )
    op.create_index("ix_asset_owners_asset_id", "asset_owners", ["asset_id"])


def _make_replays() -> None:
    op.create_table(
        "replays",
        _column("replay_id", _WORD),
        _column("fingerprint", _WORD),
        _column("reserved_by", _WORD),
        _column("reserved_until", _TIME),
        _column("status", sa.Integer(), null=True),
        _column("headers", _FACTS, null=True),
        _column("body", sa.LargeBinary(), null=True),
        _column("expires_at", _TIME),
        sa.PrimaryKeyConstraint("replay_id", name="pk_replays"),
    )
    op.create_index("ix_replays_expires_at", "replays", ["expires_at"])
    op.create_table(
        "buckets",
        _column("bucket_id", _WORD),
        _column("tokens", sa.Float()),
        _column("filled_at", _TIME),
        sa.PrimaryKeyConstraint("bucket_id", name="pk_buckets"),
    )
    op.create_index("ix_buckets_filled_at", "buckets", ["filled_at"])


def _make_webhooks() -> None:
    op.create_table(
        "webhook_endpoints",
        _column("endpoint_id", _WORD),
        _column("owner", _SUBJECT),
        _column("sees_all", sa.Boolean()),
        _column("url", sa.String(2048)),
        _column("secret_version", sa.Integer()),
        _column("active", sa.Boolean()),
        _column("reason", _WORD, null=True),
        _column("created_at", _TIME),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_webhook_endpoints"),
    )
    op.create_index("ix_webhook_endpoints_owner_endpoint_id", "webhook_endpoints", ["owner", "endpoint_id"])
    op.create_table(
        "webhook_events",
        _column("event_id", _BIG),
        sa.PrimaryKeyConstraint("event_id", name="pk_webhook_events"),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.event_id"], name="fk_webhook_events_event_id"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", _BIG, nullable=False),
        _column("endpoint_id", _WORD),
        _column("event_id", _BIG),
        _column("asset_id", _WORD),
        _column("action", _WORD),
        _column("reason", _WORD, null=True),
        _column("happened_at", _TIME),
        _column("state", _WORD),
        _column("attempts", sa.Integer()),
        _column("due_at", _TIME),
        _column("last_status", sa.Integer(), null=True),
        _column("last_reason", _WORD, null=True),
        _column("last_at", _TIME, null=True),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.endpoint_id"], name="fk_webhook_deliveries_endpoint_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_state_due_at", "webhook_deliveries", ["state", "due_at"])
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_event_id", "webhook_deliveries", ["endpoint_id", "event_id"], unique=True
    )
