"""Which tables keep requests for frames, their download tokens, the videos' numbers and the workers that are there."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, text

from opendrape.adapters.sql.columns import PSEUDONYM_LENGTH, SHA256_LENGTH, SLUG_LENGTH, UtcTime, big_number, words
from opendrape.adapters.sql.tables import METADATA
from opendrape.domain.frames import FrameState

OWNER_LENGTH = 128
REQUEST_ID_LENGTH = 36

_NOT_ENDED = text("ended IS NULL")
_KEPT = text("archive_bytes IS NOT NULL")


def _of_request() -> Column[int]:
    return Column(
        "number",
        big_number(),
        ForeignKey("frame_requests.number"),
        primary_key=True,
        autoincrement=False,
        nullable=False,
    )


# ``ended`` is None while the work item lives: until then the item alone says what is happening.
frame_requests = Table(
    "frame_requests",
    METADATA,
    Column("number", big_number(), primary_key=True),
    Column("request_id", String(REQUEST_ID_LENGTH), unique=True, nullable=False),
    Column("owner", String(OWNER_LENGTH), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("work_key", String(SHA256_LENGTH), nullable=False),
    Column("asset_id", String(PSEUDONYM_LENGTH), ForeignKey("assets.asset_id"), nullable=False),
    Column("policy_name", String(SLUG_LENGTH), nullable=False),
    Column("policy_digest", String(SHA256_LENGTH), nullable=False),
    Column("picture_format", String(8), nullable=False),
    Column("total_frames", Integer, nullable=False),
    Column("ended", words(FrameState)),
    Column("reason", String(SLUG_LENGTH)),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("archive_name", String(512)),
    Column("archive_sha256", String(SHA256_LENGTH)),
    Column("archive_bytes", big_number()),
    CheckConstraint("total_frames > 0 AND slot > 0", name="counts"),
    CheckConstraint("(ended IS NULL) = (ended_at IS NULL)", name="ending"),
    Index("uq_frame_requests_same_work", "work_key", unique=True, sqlite_where=_NOT_ENDED, postgresql_where=_NOT_ENDED),
    Index("uq_frame_requests_slot", "owner", "slot", unique=True, sqlite_where=_NOT_ENDED, postgresql_where=_NOT_ENDED),
    Index(None, "owner", "number"),
    Index(None, "asset_id"),
    Index(None, "ended", "policy_name", "number"),
    Index(None, "owner", "ended", "number"),
    # pages by state, and every figure, from the index alone
    Index(None, "ended", "number", "total_frames", "archive_bytes"),
    Index("ix_frame_requests_kept", "archive_bytes", sqlite_where=_KEPT, postgresql_where=_KEPT),
    Index(
        "ix_frame_requests_open",
        "number",
        "asset_id",
        "owner",
        sqlite_where=_NOT_ENDED,
        postgresql_where=_NOT_ENDED,
    ),
    sqlite_autoincrement=True,
)

frame_segments = Table(
    "frame_segments",
    METADATA,
    _of_request(),
    Column("segment_id", big_number(), primary_key=True, autoincrement=False),
    Column("start_frame", big_number(), nullable=False),
    Column("end_frame", big_number(), nullable=False),
    CheckConstraint("0 <= start_frame AND start_frame < end_frame", name="span"),
)

download_tokens = Table(
    "download_tokens",
    METADATA,
    Column("token_sha256", String(SHA256_LENGTH), primary_key=True),
    Column("number", big_number(), ForeignKey("frame_requests.number"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Index(None, "number"),
    Index(None, "expires_at"),
)

video_numbers = Table(
    "video_numbers",
    METADATA,
    Column("number", big_number(), primary_key=True),
    Column("asset_id", String(PSEUDONYM_LENGTH), ForeignKey("assets.asset_id"), unique=True, nullable=False),
    sqlite_autoincrement=True,
)

frame_workers = Table(
    "frame_workers",
    METADATA,
    Column("worker", String(OWNER_LENGTH), primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)
