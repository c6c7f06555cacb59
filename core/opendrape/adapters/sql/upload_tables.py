"""Which tables the HTTP door has for uploads, owners, replayed answers and rates."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, Index, Integer, LargeBinary, String, Table

from opendrape.adapters.sql.columns import (
    PSEUDONYM_LENGTH,
    SHA256_LENGTH,
    SLUG_LENGTH,
    UtcTime,
    big_number,
    facts,
    words,
)
from opendrape.adapters.sql.tables import METADATA
from opendrape.domain.uploads import UploadState

SUBJECT_LENGTH = 128

uploads = Table(
    "uploads",
    METADATA,
    Column("upload_id", String(PSEUDONYM_LENGTH), primary_key=True),
    Column("owner", String(SUBJECT_LENGTH), nullable=False),
    Column("state", words(UploadState), nullable=False),
    Column("length", big_number(), nullable=False),
    Column("received", big_number(), nullable=False),
    Column("epoch", big_number(), nullable=False),
    Column("policy_name", String(SLUG_LENGTH), nullable=False),
    Column("declared_sha256", String(SHA256_LENGTH)),
    Column("asset_id", String(PSEUDONYM_LENGTH)),
    Column("reason", String(SLUG_LENGTH)),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("0 <= received AND received <= length", name="reach"),
    Index(None, "state", "expires_at"),
    Index(None, "owner", "created_at"),
)

# The owner comes first: a page of somebody's videos is one walk through this index.
asset_owners = Table(
    "asset_owners",
    METADATA,
    Column("owner", String(SUBJECT_LENGTH), primary_key=True),
    Column("asset_id", String(PSEUDONYM_LENGTH), primary_key=True),
    Column("since", UtcTime, nullable=False),
    Index(None, "asset_id"),
)

replays = Table(
    "replays",
    METADATA,
    Column("replay_id", String(SHA256_LENGTH), primary_key=True),
    Column("fingerprint", String(SHA256_LENGTH), nullable=False),
    Column("reserved_by", String(SHA256_LENGTH), nullable=False),
    Column("reserved_until", UtcTime, nullable=False),
    Column("status", Integer),
    Column("headers", facts()),
    Column("body", LargeBinary),
    Column("expires_at", UtcTime, nullable=False),
    Index(None, "expires_at"),
)

buckets = Table(
    "buckets",
    METADATA,
    Column("bucket_id", String(SHA256_LENGTH), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("filled_at", UtcTime, nullable=False),
    Index(None, "filled_at"),
)
