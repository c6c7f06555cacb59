"""Two indexes of requests for frames: an owner's pages in one state, and all pages and figures of a state."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FIGURES = "ix_frame_requests_ended_number_total_frames_archive_bytes"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_frame_requests_owner_ended_number", "frame_requests", ["owner", "ended", "number"])
    op.create_index(_FIGURES, "frame_requests", ["ended", "number", "total_frames", "archive_bytes"])


def downgrade() -> None:
    """Take them out."""
    op.drop_index(_FIGURES, "frame_requests")
    op.drop_index("ix_frame_requests_owner_ended_number", "frame_requests")
