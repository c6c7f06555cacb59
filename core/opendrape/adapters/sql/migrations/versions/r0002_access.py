"""API keys, and the seals that chain the audit's events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_FACTS = sa.JSON().with_variant(JSONB(), "postgresql")
_WORD = sa.String(64)
_KEY_ID = sa.String(16)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", _KEY_ID, nullable=False),
        sa.Column("client", _WORD, nullable=False),
        sa.Column("label", _WORD, nullable=False),
        sa.Column("digest", _WORD, nullable=False),
        sa.Column("roles", _FACTS, nullable=False),
        sa.Column("scopes", _FACTS, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("last_used_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_client", "api_keys", ["client"])
    op.create_table(
        "audit_seals",
        sa.Column("position", _BIG, nullable=False, autoincrement=False),
        sa.Column("event_id", _BIG, nullable=False),
        sa.Column("sealed_at", _TIME, nullable=False),
        sa.Column("key_id", _KEY_ID, nullable=False),
        sa.Column("mac", _WORD, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_seals"),
        sa.UniqueConstraint("event_id", name="uq_audit_seals_event_id"),
        sa.CheckConstraint("position > 0", name=op.f("ck_audit_seals_position")),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.event_id"], name="fk_audit_seals_event_id"),
    )


def downgrade() -> None:
    """Drop both; events stay."""
    op.drop_table("audit_seals")
    op.drop_table("api_keys")
