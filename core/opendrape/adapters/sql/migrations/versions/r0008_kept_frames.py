"""Index of the results of requests for frames that are still kept: every look at health adds their bytes up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEPT = sa.text("archive_bytes IS NOT NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_frame_requests_kept", "frame_requests", ["archive_bytes"], sqlite_where=_KEPT, postgresql_where=_KEPT
    )


def downgrade() -> None:
    """Take it out."""
    op.drop_index("ix_frame_requests_kept", "frame_requests")
