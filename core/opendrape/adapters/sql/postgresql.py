"""What is particular to PostgreSQL: a bounded pool, a time-out for everything, and which errors may pass next time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_DRIVER: Final = "postgresql+psycopg"
# An idle connection may be cut by whatever stands in between; it is replaced before that.
_RECYCLE_SECONDS: Final = 1500
_KEEPALIVE: Final = {"keepalives_idle": "30", "keepalives_interval": "5", "keepalives_count": "3"}
# serialization_failure, deadlock_detected: rolled back whole. unique_violation: somebody else inserted it meanwhile.
_MAY_PASS: Final = frozenset({"40001", "40P01", "23505"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long PostgreSQL may take, and how many connections one process holds."""

    pool_size: int = 8
    connect_seconds: float = 5.0
    statement_seconds: float = 30.0
    lock_seconds: float = 10.0


def is_postgresql(address: URL) -> bool:
    """True for every spelling of a PostgreSQL URL."""
    return address.get_backend_name() == "postgresql"


def postgresql_engine(address: URL, limits: Limits) -> Engine:
    """An engine on psycopg 3 whose pool never grows. Times are UTC; READ COMMITTED; connects on first use."""
    return create_engine(
        address.set(drivername=_DRIVER).update_query_dict(_connection_words(address, limits)),
        hide_parameters=True,
        connect_args={"prepare_threshold": 1},
        pool_size=limits.pool_size,
        max_overflow=0,
        pool_timeout=limits.lock_seconds,
        pool_recycle=_RECYCLE_SECONDS,
    )


def may_pass(error: SQLAlchemyError) -> bool:
    """True when nothing was committed and the same transaction may pass now: a conflict, or a connection that died."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _MAY_PASS


def without_limits() -> str:
    """Said first in a transaction that waits for another starter: a migration may take as long as it takes."""
    return (
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
    )


def _connection_words(address: URL, limits: Limits) -> dict[str, Any]:
    """What libpq is told; a word that the URL already has stays as the site wrote it."""
    settings = {
        "statement_timeout": round(limits.statement_seconds * 1000),
        "lock_timeout": round(limits.lock_seconds * 1000),
        # a frozen process must not hold a row for ever
        "idle_in_transaction_session_timeout": round(2 * limits.statement_seconds * 1000),
        "timezone": "UTC",
        # few statements, said again and again, each with an index made for it: planning costs more than it saves
        "plan_cache_mode": "force_generic_plan",
        # every answer takes milliseconds: starting helpers or compiling for one takes longer
        "max_parallel_workers_per_gather": 0,
        "jit": "off",
    }
    words = {
        "connect_timeout": str(max(2, round(limits.connect_seconds))),
        "tcp_user_timeout": str(round(limits.statement_seconds * 1000)),
        "application_name": "opendrape",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        **_KEEPALIVE,
    }
    return {word: value for word, value in words.items() if word not in address.query}
