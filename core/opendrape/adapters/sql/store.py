"""What every adapter on the catalogue's database shares: transactions with a time, and rows that are made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.work import RetryRule
from opendrape.ports.clock import Clock

_ALONE_SPACE: Final = 0x0DD_A10E


class SqlStore:
    """A port's tables in the catalogue's database; threads may share one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self._database.read() as connection:
            yield Transaction(connection, self._clock.now(), RetryRule())

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._database.write() as connection:
            yield Transaction(connection, self._clock.now(), RetryRule())


def insert_once(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert unless a row of this key is there; True when it was inserted. Two at once: one waits for the other."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # asked for: an insert's count is gone with its cursor otherwise
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def alone(connection: Connection, name: str) -> None:
    """Whoever names the same waits until this transaction has ended: what is counted after this stays true until then.

    Rows cannot be locked that are not there yet. SQLite's writers take turns anyhow.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ALONE_SPACE, func.hashtext(name))))


def planned_anew(connection: Connection) -> None:
    """PostgreSQL looks at the values of this transaction's queries before it chooses an index. Otherwise it soon plans
    for a state that is neither rare nor frequent, and walks through all videos to find none.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
