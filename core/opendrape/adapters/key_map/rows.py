"""Where the map's rows are: one SQLite file (WAL, synchronous=FULL, secure_delete) that knows nothing in clear."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from opendrape.adapters.key_map.sealing import Kind, Row
from opendrape.errors import ConfigurationError, StorageUnavailable

_BUSY_SECONDS: Final = 30.0
_COLUMNS: Final = "row_id, kind, pseudonym, subject_id, blind, key_version, sealed"
_SCHEMA: Final = (
    """CREATE TABLE entries (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        row_id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        pseudonym TEXT NOT NULL,
        subject_id TEXT,
        blind BLOB NOT NULL,
        key_version INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        UNIQUE (kind, blind))""",
    "CREATE INDEX entries_by_pseudonym ON entries (pseudonym, kind)",
    "CREATE INDEX entries_by_subject ON entries (subject_id)",
    "CREATE INDEX entries_by_version ON entries (key_version)",
    "CREATE TABLE state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), active_version INTEGER NOT NULL)",
)


class MapRows:
    """The file, opened. One connection, usable from any thread of the process that opened it."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._lock_path = path.with_name(path.name + ".lock")
        with map_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives its side files the mode of the main one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = _connect(path)
            try:
                self._use_write_ahead_log()
            except BaseException:
                self._connection.close()
                raise

    def _use_write_ahead_log(self) -> None:
        if self._value("PRAGMA journal_mode") != "wal":
            with self.exclusive():
                self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        self._run("PRAGMA secure_delete = ON")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def exclusive(self, *, wait: bool = True) -> Iterator[None]:
        """One process at a time. ``StorageUnavailable`` (``key_map_busy``) when taken and ``wait`` is False."""
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        except BlockingIOError:
            raise StorageUnavailable(reason="key_map_busy") from None
        finally:
            os.close(descriptor)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and alone among writers of every process."""
        with self._lock, map_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def initialise(self, active_version: int, check: Callable[[], Row]) -> None:
        """Make the tables and the row that proves the key, unless they are there."""
        if self.initialised():
            return
        with self.transaction():
            if self.initialised():
                return
            for statement in _SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO state VALUES (1, ?)", (active_version,))
            self.insert(check())

    def initialised(self) -> bool:
        """True when the tables are there."""
        return bool(self._value("SELECT count(*) FROM sqlite_master WHERE name = 'state'"))

    def active_version(self) -> int:
        """Under which key version rows are written; ask inside the transaction that writes."""
        return int(self._value("SELECT active_version FROM state"))

    def set_active_version(self, version: int) -> None:
        """Every later write uses this version."""
        self._run("UPDATE state SET active_version = ?", version)

    def insert(self, row: Row) -> None:
        """Add the row unless one of this kind and blind index is there."""
        self._run(
            "INSERT OR IGNORE INTO entries (row_id, kind, pseudonym, subject_id, blind, key_version, sealed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(row.row_id, row.kind, row.pseudonym, row.subject_id, row.blind, row.key_version, row.sealed),
        )

    def reseal(self, row: Row) -> None:
        """Put the row's new ciphertext and version in place."""
        statement = "UPDATE entries SET key_version = ?, sealed = ? WHERE row_id = ?"
        self._run(statement, row.key_version, row.sealed, row.row_id)

    def find(self, kind: Kind, blind: bytes) -> Row | None:
        """The one row of this kind and blind index."""
        return next(iter(self._rows("WHERE kind = ? AND blind = ?", kind, blind)), None)

    def named(self, kind: Kind, pseudonym: str) -> Sequence[Row]:
        """Rows of this kind and pseudonym, latest first."""
        return self._rows("WHERE pseudonym = ? AND kind = ? ORDER BY position DESC", pseudonym, kind)

    def of_subject(self, subject_id: str) -> Sequence[Row]:
        """Every row that leads to this subject, latest first.

        Its own, its sources, the unnamed sources of its assets, and the assets that nobody else shares.
        """
        mine = "SELECT pseudonym FROM entries WHERE kind = 'source' AND subject_id = ?1"
        shared = (
            "SELECT 1 FROM entries AS other WHERE other.kind = 'source' AND other.pseudonym = entries.pseudonym"
            " AND other.subject_id <> ?1"
        )
        return self._rows(
            f"WHERE subject_id = ?1 OR (kind = 'source' AND subject_id IS NULL AND pseudonym IN ({mine}))"
            f" OR (kind = 'asset' AND pseudonym IN ({mine}) AND NOT EXISTS ({shared})) ORDER BY position DESC",
            subject_id,
        )

    def not_under(self, version: int, limit: int) -> Sequence[Row]:
        """Some rows that are sealed under another version."""
        return self._rows("WHERE key_version <> ? LIMIT ?", version, limit)

    def all(self) -> Sequence[Row]:
        """Every row but the one that proves the key, oldest first."""
        return self._rows("WHERE kind <> 'check' ORDER BY position")

    def delete(self, rows: Sequence[Row]) -> None:
        """Overwrite and remove; the write-ahead log keeps them until ``forget``."""
        with self._lock:
            self._connection.executemany("DELETE FROM entries WHERE row_id = ?", [(row.row_id,) for row in rows])

    def forget(self) -> None:
        """Empty the write-ahead log of old content. ``StorageUnavailable`` (``key_map_busy``) while others read it."""
        if self._value("PRAGMA wal_checkpoint(TRUNCATE)") != 0:
            raise StorageUnavailable(reason="key_map_busy")

    def count_by_version(self) -> dict[int, int]:
        """How many rows each key version seals."""
        found = self._run("SELECT key_version, count(*) FROM entries WHERE kind <> 'check' GROUP BY key_version")
        return {int(version): int(rows) for version, rows in found}

    def _rows(self, condition: str, *values: object) -> list[Row]:
        return [_row(*columns) for columns in self._run(f"SELECT {_COLUMNS} FROM entries {condition}", *values)]  # noqa: S608

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, map_errors():
            return self._connection.execute(statement, values).fetchall()

    def _value(self, statement: str) -> Any:
        return self._run(statement)[0][0]


def holds_map(path: Path) -> bool:
    """True when there is a map at this path. ``ConfigurationError`` when there is something else."""
    if not path.exists():
        return False
    with closing(MapRows(path)) as rows:
        return rows.initialised()


@contextmanager
def map_errors() -> Iterator[None]:
    """Turn SQLite's errors into ours; its messages stay behind."""
    try:
        yield
    except sqlite3.OperationalError:
        raise StorageUnavailable(reason="key_map_unavailable") from None
    except sqlite3.DatabaseError:
        raise ConfigurationError("the key map's file is not a key map", reason="map_unreadable") from None
    except OSError:
        raise StorageUnavailable(reason="key_map_unavailable") from None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _row(row_id: str, kind: str, pseudonym: str, subject_id: str | None, *rest: Any) -> Row:
    blind, key_version, sealed = rest
    return Row(row_id, Kind(kind), pseudonym, subject_id, blind, key_version, sealed)
