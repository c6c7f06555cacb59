"""How does a database look up what a call asks: the statements that were really sent, explained with their values."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import ClientCursor
from sqlalchemy import Engine, event

_NAMED = re.compile(r"%\((\w+)\)s")
_LOOKS = re.compile(r"\b(SCAN|SEARCH|Seq Scan|Index Scan|Index Only Scan|Bitmap Heap Scan|Bitmap Index Scan)\b")
_OF_EVERY_CALL: Final = ("WHERE api_keys.key_id = ", "buckets", "SHOW ", "PRAGMA ")
_NEVER_LARGE: Final = frozenset({"frame_workers", "webhook_endpoints", "alembic_version"})


@dataclass(frozen=True)
class Statement:
    """What was sent once."""

    words: str
    values: Any


@dataclass(frozen=True)
class Plan:
    """Which tables one statement reads, each with its index."""

    lines: tuple[str, ...]

    @property
    def walks(self) -> tuple[str, ...]:
        """Lines that go through a table that may be large, or one of its indexes, without a condition on where."""
        return tuple(line for line in self.lines if _is_walk(line) and _NEVER_LARGE.isdisjoint(line.split()))


def _is_walk(line: str) -> bool:
    if line.startswith("SCAN"):
        # a list of values, or a question within a question (anon_1), is a table without rows of its own
        return not line.split()[1].startswith(("(", "SUBQUERY", "CONSTANT", "anon_"))
    is_bounded = line.endswith(")") or line.startswith(("SEARCH", "Bitmap"))
    return not is_bounded


@dataclass
class Heard:
    """Notes the statements that go through an engine while somebody listens."""

    engine: Engine
    _noted: list[Statement] | None = field(default=None, init=False)

    @classmethod
    @contextlib.contextmanager
    def on(cls, engine: Engine) -> Iterator[Heard]:
        """Attached while the context lasts."""
        heard = cls(engine)
        event.listen(engine, "before_cursor_execute", heard._note)
        try:
            yield heard
        finally:
            event.remove(engine, "before_cursor_execute", heard._note)

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[Statement]]:
        """What is read meanwhile, each statement once, without what every call asks (who calls, and how often)."""
        self._noted = []
        try:
            yield self._noted
        finally:
            self._noted = None

    def _note(self, _connection: Any, _cursor: Any, words: str, values: Any, _context: Any, _many: bool) -> None:
        if self._noted is None or not words.lstrip().startswith("SELECT"):
            return
        is_known = any(one.words == words for one in self._noted)
        if not is_known and not any(mark in words for mark in _OF_EVERY_CALL):
            self._noted.append(Statement(words, values))


def explain(engine: Engine, statements: Sequence[Statement]) -> tuple[Plan, ...]:
    """The plans in the order of the statements; PostgreSQL's are the generic ones that this build always uses."""
    plans = []
    with contextlib.closing(engine.raw_connection()) as pooled:
        raw: Any = pooled.driver_connection
        for number, one in enumerate(statements):
            said = _of_sqlite(raw, one) if engine.dialect.name == "sqlite" else _of_postgresql(raw, one, number)
            plans.append(Plan(tuple(dict.fromkeys(said))))
        pooled.rollback()
    return tuple(plans)


def _of_sqlite(raw: Any, one: Statement) -> Iterator[str]:
    for row in raw.execute("EXPLAIN QUERY PLAN " + one.words, one.values):
        if _LOOKS.match(str(row[-1])):
            yield str(row[-1])


def _of_postgresql(raw: Any, one: Statement, number: int) -> Iterator[str]:
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        names.append(found[1])
        return f"${len(names)}"

    cursor, name = ClientCursor(raw), f"explained_{number}"
    # quoted percent signs are the driver's
    cursor.execute(f"PREPARE {name} AS " + _NAMED.sub(numbered, one.words).replace("%%", "%"))
    values = [one.values[given] for given in names]
    given = f"({', '.join(['%s'] * len(values))})" if values else ""
    cursor.execute(f"EXPLAIN (COSTS OFF) EXECUTE {name}{given}", values)
    lines = [str(row[0]).strip().removeprefix("->").strip() for row in cursor.fetchall()]
    cursor.execute(f"DEALLOCATE {name}")
    for at, line in enumerate(lines):
        if _LOOKS.match(line.removeprefix("Parallel ")):
            condition = next((more for more in lines[at + 1 : at + 3] if more.startswith("Index Cond")), "")
            yield f"{line} {condition.removeprefix('Index Cond: ')}".strip()
