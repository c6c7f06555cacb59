"""How a catalogue on this machine is read by an event loop: SQLite asked directly, on a connection that never waits."""

from __future__ import annotations

import sqlite3
import threading
from collections import namedtuple
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Select

from opendrape.adapters.sql.access import FIND_KEY, stored_key_of
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.video_shelf import GLANCE_OF_ANY, GLANCE_OF_OWN, STANDING_OF_ONE, glance_of, standing_of
from opendrape.ports.access import StoredKey
from opendrape.ports.quick_look import NoQuickLook, QuickLook
from opendrape.ports.video_shelf import Glance, Standing

T = TypeVar("T")

_MOST_KNOWN: Final = 512


def open_quick_look(database: Database, opened: ExitStack) -> QuickLook:
    """A quick look at a catalogue in a SQLite file; at any other there is none."""
    path = database.engine.url.database
    if database.is_postgresql or path in (None, "", ":memory:"):
        return NoQuickLook()
    look = SqliteQuickLook(database, str(path))
    opened.callback(look.close)
    return look


class SqliteQuickLook(QuickLook):
    """See the port. A single statement is a snapshot by itself; write-ahead logging lets readers pass writers, and
    whatever SQLite would wait for is an error here. Threads may share one.
    """

    def __init__(self, database: Database, path: str) -> None:
        make_dialect: Any = type(database.engine.dialect)
        dialect = make_dialect(paramstyle="named")
        self._key = _Question(FIND_KEY, dialect, stored_key_of)
        self._glance_of_any = _Question(GLANCE_OF_ANY, dialect, glance_of)
        self._glance_of_own = _Question(GLANCE_OF_OWN, dialect, glance_of)
        self._standing = [_Question(query, dialect, lambda row: row) for query in STANDING_OF_ONE]
        self._path, self._lock = path, threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def key(self, key_id: str) -> StoredKey | None:
        return self._ask(self._key, key_id=key_id)

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:
        if owner is None:
            return self._ask(self._glance_of_any, asset_id=asset_id)
        return self._ask(self._glance_of_own, asset_id=asset_id, owner=owner)

    def standing(self, asset_id: str) -> Standing | None:
        """Of what was there at one moment, as the glance is."""
        answers = self._rows(*(question.asked(asset_id=asset_id) for question in self._standing))
        if answers is None:
            return None
        frames, under_way, steps = map(_Question.turned, self._standing, answers)
        return standing_of(asset_id, frames, under_way, steps)

    def close(self) -> None:
        """Idempotent; the next question opens again."""
        with self._lock:
            self._let_go()

    def _ask(self, question: _Question[T], **values: str) -> T | None:
        answers = self._rows(question.asked(**values))
        return question.answer(answers[0][0]) if answers and answers[0] else None

    def _rows(self, *asked: tuple[str, Mapping[str, Any]]) -> list[list[Any]] | None:
        """All rows of each; several in one snapshot."""
        with self._lock:
            try:
                connection = self._connection or self._opened()
                if len(asked) == 1:
                    return [connection.execute(*asked[0]).fetchall()]  # all of it: the snapshot ends here
                connection.execute("BEGIN").close()
                answers = [connection.execute(*one).fetchall() for one in asked]
                connection.execute("COMMIT").close()
            except sqlite3.Error:
                self._let_go()
                return None
        return answers

    def _opened(self) -> sqlite3.Connection:
        # at timeout 0 a busy database is an error at once
        self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA query_only = ON").close()
        return self._connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Question(Generic[T]):
    """A query put into words once, and what turns its rows into what the domain calls them."""

    def __init__(self, query: Select[Any], dialect: Any, meaning: Callable[[Any], T]) -> None:
        made = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.text = str(made)
        # what the query itself says; words are text, so they go as they are
        self._own = {name: str(value) if isinstance(value, str) else value for name, value in made.params.items()}
        columns = list(query.selected_columns)
        self._row = namedtuple("_Row", [column.key for column in columns])  # type: ignore[misc]
        types: list[Any] = [column.type.dialect_impl(dialect) for column in columns]
        self._turn: list[Any] = [one.result_processor(dialect, None) for one in types]
        self._meaning = meaning
        self._known: dict[tuple[Any, ...], T] = {}

    def asked(self, **values: str) -> tuple[str, Mapping[str, Any]]:
        """The question with these values."""
        return self.text, self._own | values

    def turned(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """Rows as the domain's types."""
        turns = self._turn
        return [
            self._row(*(turn(value) if turn else value for turn, value in zip(turns, row, strict=True))) for row in rows
        ]

    def answer(self, values: tuple[Any, ...]) -> T:
        """Many who wait get the same rows again and again."""
        found = self._known.get(values)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[values] = self._meaning(self.turned([values])[0])
        return found
