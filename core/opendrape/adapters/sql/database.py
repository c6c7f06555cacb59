"""How the database is opened, and how a transaction begins, ends and fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from sqlite3 import Connection as SqliteConnection
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, RootTransaction, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from opendrape.adapters.sql.direct import first_row
from opendrape.adapters.sql.postgresql import Limits, is_postgresql, postgresql_engine
from opendrape.errors import CatalogueUnavailable, ConfigurationError

_WRITES = "opendrape_writes"
_BUSY_MILLISECONDS = 30_000
_PRIMARY_CODE = 0xFF
# Trying again never mends a file that is no database.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REASONS = MappingProxyType({sqlite3.SQLITE_FULL: "disk_full", sqlite3.SQLITE_IOERR: "input_output_error"})


class Database:
    """One engine. ``read`` and ``write`` are transactions: committed on a clean exit, rolled back on any error.

    Every error of SQLAlchemy comes out as ``CatalogueUnavailable``, a damaged SQLite file as ``ConfigurationError``;
    statement parameters never do. A connection that died while it committed gives the reason ``commit_in_doubt``.
    """

    def __init__(self, engine: Engine, gate: AbstractContextManager[object]) -> None:
        self.engine = engine
        self._gate = gate
        # SQLite's read transactions are a snapshot by themselves.
        self._snapshot = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}

    @property
    def is_postgresql(self) -> bool:
        """True where one statement can do what SQLite needs several for."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is to be written."""
        with self._gate, translated(), self.engine.connect() as connection:
            connection.execution_options(**self._snapshot)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write. SQLite takes its write lock at once, so that it never fails half-way."""
        with self._gate, translated(), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin() as transaction:
                yield connection
                _commit(transaction)

    def at_once(self, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """The first row of one statement, committed by itself. PostgreSQL only."""
        with translated():
            return first_row(self.engine, statement, values)

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self.engine.dispose()


def open_database(url: str, limits: Limits = Limits()) -> Database:
    """Make the engine; connects on first use. ``ConfigurationError`` for a URL that cannot be one."""
    try:
        address = make_url(url)
        if is_postgresql(address):
            return Database(postgresql_engine(address, limits), nullcontext())
        return _open_sqlite(address)
    except (SQLAlchemyError, ImportError, ValueError):
        # the cause is left behind: it may quote the URL
        raise ConfigurationError("the catalogue's URL cannot be used", reason="catalogue_url") from None


def _open_sqlite(address: URL) -> Database:
    in_memory = address.database in (None, "", ":memory:")
    # One connection is the database then: callers take turns instead of sharing a transaction.
    pool = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}} if in_memory else {}
    engine = create_engine(address, hide_parameters=True, **pool)
    if engine.dialect.name != "sqlite":
        raise ConfigurationError("the catalogue is kept in SQLite or PostgreSQL", reason="catalogue_url")
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, threading.RLock() if in_memory else nullcontext())


@contextmanager
def translated() -> Iterator[None]:
    """Foreign errors become ours; a broken constraint says so in its reason."""
    try:
        yield
    except IntegrityError as error:
        raise CatalogueUnavailable(reason="catalogue_conflict") from error
    except SQLAlchemyError as error:
        code = _sqlite_code(error)
        if code in _DAMAGED:
            raise ConfigurationError(
                "the catalogue's file is damaged: restore a copy, or move it aside and all work is done again",
                reason="catalogue_damaged",
            ) from error
        raise CatalogueUnavailable(reason=_REASONS.get(code)) from error


def _commit(transaction: RootTransaction) -> None:
    try:
        transaction.commit()
    except DBAPIError as error:
        _unless_in_doubt(error)
        raise


def _unless_in_doubt(error: DBAPIError) -> None:
    """A connection that died on the way to a commit does not tell whether it happened."""
    if error.connection_invalidated:
        raise CatalogueUnavailable(reason="commit_in_doubt") from error


def _sqlite_code(error: SQLAlchemyError) -> int:
    """SQLite's primary result code; 0 when another database failed."""
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & _PRIMARY_CODE


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    # The driver's own idea of when to begin is switched off: _begin_sqlite decides.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
