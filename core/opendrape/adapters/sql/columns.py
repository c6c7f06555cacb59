"""How values of the domain are kept in columns: times in UTC, names of states as text, facts as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

SHA256_LENGTH = 64
PSEUDONYM_LENGTH = 64
SLUG_LENGTH = 64


class UtcTime(TypeDecorator[datetime]):
    """Timezone-aware UTC in and out, also where the database knows no zones. ``ValueError`` for a naive time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn any zone into UTC before it is stored."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a stored time carries its zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back UTC, whatever the driver made of it."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def words(vocabulary: type[StrEnum]) -> Enum:
    """A column of one vocabulary, stored as readable text, so that a new word needs no migration."""
    return Enum(
        vocabulary,
        native_enum=False,
        create_constraint=False,
        length=SLUG_LENGTH,
        values_callable=lambda members: [member.value for member in members],
    )


def facts() -> TypeEngine[Any]:
    """A JSON column: dumps of frozen pydantic models."""
    return JSON().with_variant(JSONB(), "postgresql")


def big_number() -> TypeEngine[int]:
    """64 bits everywhere; SQLite counts rows only in a column called INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
