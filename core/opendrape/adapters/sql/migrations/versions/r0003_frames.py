"""Requests for frames, download tokens, the videos' numbers, and which workers are there."""

from __future__ import annotations

from typing import TypeVar

import sqlalchemy as sa
from alembic import op

T = TypeVar("T")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_WORD = sa.String(64)
_NOT_ENDED = sa.text("ended IS NULL")


def upgrade() -> None:
    """Make every table."""
    _make_requests()
    _make_segments_of_requests()
    _make_tokens()
    _make_numbers_and_workers()


def downgrade() -> None:
    """Drop every table, the referring ones first."""
    for table in ("frame_workers", "video_numbers", "download_tokens", "frame_segments", "frame_requests"):
        op.drop_table(table)


def _column(name: str, kind: sa.types.TypeEngine[T], *, null: bool = False) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=null, autoincrement=False)


def _make_requests() -> None:
    op.create_table(
        "frame_requests",
        sa.Column("number", _BIG, nullable=False),
        _column("request_id", sa.String(36)),
        _column("owner", sa.String(128)),
        _column("slot", sa.Integer()),
        _column("work_key", _WORD),
        _column("asset_id", _WORD),
        _column("policy_name", _WORD),
        _column("policy_digest", _WORD),
        _column("picture_format", sa.String(8)),
        _column("total_frames", sa.Integer()),
        _column("ended", _WORD, null=True),
        _column("reason", _WORD, null=True),
        _column("created_at", _TIME),
        _column("started_at", _TIME, null=True),
        _column("ended_at", _TIME, null=True),
        _column("archive_name", sa.String(512), null=True),
        _column("archive_sha256", _WORD, null=True),
        _column("archive_bytes", _BIG, null=True),
        sa.PrimaryKeyConstraint("number", name="pk_frame_requests"),
        sa.UniqueConstraint("request_id", name="uq_frame_requests_request_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"], name="fk_frame_requests_asset_id"),
        sa.CheckConstraint("total_frames > 0 AND slot > 0", name=op.f("ck_frame_requests_counts")),
        sa.CheckConstraint("(ended IS NULL) = (ended_at IS NULL)", name=op.f("ck_frame_requests_ending")),
        sqlite_autoincrement=True,
    )
    _index_requests()


def _index_requests() -> None:
    for name, columns in (
        ("uq_frame_requests_same_work", ["work_key"]),
        ("uq_frame_requests_slot", ["owner", "slot"]),
    ):
        op.create_index(
            name, "frame_requests", columns, unique=True, sqlite_where=_NOT_ENDED, postgresql_where=_NOT_ENDED
        )
    op.create_index("ix_frame_requests_owner_number", "frame_requests", ["owner", "number"])
    op.create_index("ix_frame_requests_asset_id", "frame_requests", ["asset_id"])
    op.create_index("ix_frame_requests_ended_policy_name_number", "frame_requests", ["ended", "policy_name", "number"])


def _make_segments_of_requests() -> None:
    op.create_table(
        "frame_segments",
        _column("number", _BIG),
        _column("segment_id", _BIG),
        _column("start_frame", _BIG),
        _column("end_frame", _BIG),
        sa.PrimaryKeyConstraint("number", "segment_id", name="pk_frame_segments"),
        sa.ForeignKeyConstraint(["number"], ["frame_requests.number"], name="fk_frame_segments_number"),
        sa.CheckConstraint("0 <= start_frame AND start_frame < end_frame", name=op.f("ck_frame_segments_span")),
    )


def _make_tokens() -> None:
    op.create_table(
        "download_tokens",
        _column("token_sha256", _WORD),
        _column("number", _BIG),
        _column("created_at", _TIME),
        _column("expires_at", _TIME),
        _column("used_at", _TIME, null=True),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_download_tokens"),
        sa.ForeignKeyConstraint(["number"], ["frame_requests.number"], name="fk_download_tokens_number"),
    )
    op.create_index("ix_download_tokens_number", "download_tokens", ["number"])
    op.create_index("ix_download_tokens_expires_at", "download_tokens", ["expires_at"])


def _make_numbers_and_workers() -> None:
    op.create_table(
        "video_numbers",
        sa.Column("number", _BIG, nullable=False),
        _column("asset_id", _WORD),
        sa.PrimaryKeyConstraint("number", name="pk_video_numbers"),
        sa.UniqueConstraint("asset_id", name="uq_video_numbers_asset_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"], name="fk_video_numbers_asset_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "frame_workers",
        _column("worker", sa.String(128)),
        _column("slots", sa.Integer()),
        _column("seen_at", _TIME),
        sa.PrimaryKeyConstraint("worker", name="pk_frame_workers"),
    )
