"""How the database is opened, and how a transaction begins, ends and fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from sqlite3 import Connection as SqliteConnection
from types import MappingProxyType

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

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
    statement parameters never do.
    """

    def __init__(self, engine: Engine, gate: AbstractContextManager[object]) -> None:
        self.engine = engine
        self._gate = gate

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is to be written."""
        with self._gate, translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write. SQLite takes its write lock at once, so that it never fails half-way."""
        with self._gate, translated(), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Make the engine; connects on first use. ``ConfigurationError`` for a URL that cannot be one."""
    try:
        address = make_url(url)
        in_memory = address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:")
        # One connection is the database then: callers take turns instead of sharing a transaction.
        pool = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}} if in_memory else {}
        engine = create_engine(address, hide_parameters=True, **pool)
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigurationError("the catalogue's URL cannot be used", reason="catalogue_url") from error
    if engine.dialect.name == "sqlite":
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
