"""Indexes of requests for frames: an owner's pages in one state, pages and figures of a state, what is open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NOT_ENDED = sa.text("ended IS NULL")
_FIGURES = "ix_frame_requests_ended_number_total_frames_archive_bytes"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_frame_requests_owner_ended_number", "frame_requests", ["owner", "ended", "number"])
    op.create_index(_FIGURES, "frame_requests", ["ended", "number", "total_frames", "archive_bytes"])
    op.create_index(
        "ix_frame_requests_open",
        "frame_requests",
        ["number", "asset_id", "owner"],
        sqlite_where=_NOT_ENDED,
        postgresql_where=_NOT_ENDED,
    )


def downgrade() -> None:
    """Take them out."""
    op.drop_index("ix_frame_requests_open", "frame_requests")
    op.drop_index(_FIGURES, "frame_requests")
    op.drop_index("ix_frame_requests_owner_ended_number", "frame_requests")
