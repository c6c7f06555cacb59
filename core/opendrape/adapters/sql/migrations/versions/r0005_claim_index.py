"""The order in which items are claimed gets an index of its own, of waiting items only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_work_items_due", "work_items", ["due_at", "item_id"], sqlite_where=_QUEUED, postgresql_where=_QUEUED
    )


def downgrade() -> None:
    """Take it out."""
    op.drop_index("ix_work_items_due", "work_items")
