"""Two indexes of a part of the items each: waiting ones in the order of claims, ended ones as they are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 'queued'")
_ENDED = sa.text("state IN ('done', 'failed', 'cancelled')")


def upgrade() -> None:
    """Add the indexes."""
    op.create_index(
        "ix_work_items_due", "work_items", ["due_at", "item_id"], sqlite_where=_QUEUED, postgresql_where=_QUEUED
    )
    op.create_index(
        "ix_work_items_ended", "work_items", ["kind", "state", "reason"], sqlite_where=_ENDED, postgresql_where=_ENDED
    )


def downgrade() -> None:
    """Take them out."""
    op.drop_index("ix_work_items_ended", "work_items")
    op.drop_index("ix_work_items_due", "work_items")
