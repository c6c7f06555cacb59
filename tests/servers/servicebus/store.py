"""What a queue promises, kept in SQLite: locks that run out, counts, dead letters, defer, schedule, duplicates."""

from __future__ import annotations

import random
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.servicebus.codec import Int, Long, Timestamp, decode, encode
from tests.servers.servicebus.message import Content, delivered

DEAD = "/$deadletterqueue"
ACTIVE, DEFERRED, SCHEDULED = 0, 1, 2
TOO_OFTEN, EXPIRED = "MaxDeliveryCountExceeded", "TTLExpiredException"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, lock_ms INTEGER, most INTEGER, duplicate_ms INTEGER);
CREATE TABLE IF NOT EXISTS messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, state INTEGER NOT NULL, enqueued INTEGER NOT NULL,
  due INTEGER, expires INTEGER, failures INTEGER NOT NULL DEFAULT 0, token BLOB, locked_until INTEGER,
  properties BLOB NOT NULL, application BLOB NOT NULL, body BLOB NOT NULL, annotations BLOB NOT NULL, ttl INTEGER,
  message_id TEXT, reason TEXT, description TEXT);
CREATE INDEX IF NOT EXISTS by_turn ON messages (queue, state, number) WHERE token IS NULL;
CREATE INDEX IF NOT EXISTS by_token ON messages (token) WHERE token IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_lock ON messages (locked_until) WHERE token IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_due ON messages (due) WHERE state = 2;
CREATE TABLE IF NOT EXISTS seen (queue TEXT, message_id TEXT, until INTEGER, PRIMARY KEY (queue, message_id));
"""


@dataclass(frozen=True)
class QueueRules:
    """What a queue is set to. ``duplicate_seconds`` 0: duplicates are not looked for."""

    lock_seconds: float = 60.0
    max_deliveries: int = 10
    duplicate_seconds: float = 0.0


@dataclass(frozen=True)
class Taken:
    """A message on its way to a receiver."""

    token: uuid.UUID
    number: int
    encoded: bytes


class Store:
    """Every queue of one namespace. ``now_ms`` is the clock; one thread at a time. Each call is one transaction."""

    def __init__(self, file: str | Path = ":memory:", now_ms: Callable[[], int] | None = None) -> None:
        self.now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self.reorder: random.Random | None = None
        self._db = sqlite3.connect(file, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self._rules = {row["name"]: row for row in self._db.execute("SELECT * FROM queues")}

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- queues ---------------------------------------------------------------------------------------------------
    def declare(self, name: str, rules: QueueRules = QueueRules()) -> None:
        """Make a queue, or give it other rules."""
        values = (
            name.lower(),
            int(rules.lock_seconds * 1000),
            rules.max_deliveries,
            int(rules.duplicate_seconds * 1e3),
        )
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?)", values)
        self._rules = {row["name"]: row for row in self._db.execute("SELECT * FROM queues")}

    def knows(self, queue: str) -> bool:
        """True for a queue and for its dead letters."""
        return queue.removesuffix(DEAD) in self._rules

    def queues(self) -> list[str]:
        """Every queue by name."""
        return sorted(self._rules)

    # -- in -------------------------------------------------------------------------------------------------------
    def put(self, queue: str, contents: Sequence[Content], *, copies: int = 1) -> list[int]:
        """Store messages; answers their numbers (0 for one dropped as a duplicate)."""
        with self._db:
            return [self._put(queue, content) if self._is_new(queue, content) else 0 for content in contents] + [
                self._put(queue, content) for content in contents for _ in range(copies - 1)
            ]

    def _is_new(self, queue: str, content: Content) -> bool:
        window, now = self._rules[queue]["duplicate_ms"], self.now_ms()
        if not window or content.message_id is None:
            return True
        self._db.execute("DELETE FROM seen WHERE until <= ?", (now,))
        row = (queue, content.message_id, now + window)
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount == 1

    def _put(self, queue: str, content: Content) -> int:
        now = self.now_ms()
        due = content.scheduled_ms if content.scheduled_ms and content.scheduled_ms > now else None
        expires = None if content.ttl_ms is None else (due or now) + content.ttl_ms
        added = self._db.execute(
            "INSERT INTO messages (queue, state, enqueued, due, expires, properties, application, body, annotations,"
            " ttl, message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(queue, ACTIVE if due is None else SCHEDULED, now, due, expires, content.properties),
                *(content.application, content.body, encode(dict(content.annotations)), content.ttl_ms),
                content.message_id,
            ),
        )
        return int(added.lastrowid or 0)

    def cancel_scheduled(self, queue: str, numbers: Iterable[int]) -> bool:
        """Take scheduled messages back; False when one is not there (then none is taken)."""
        wanted = list(numbers)
        marks = ",".join("?" * len(wanted))
        where = f"queue = ? AND state = {SCHEDULED} AND number IN ({marks})"
        with self._db:
            if self._count(where, queue, *wanted) != len(wanted):
                return False
            self._db.execute(f"DELETE FROM messages WHERE {where}", (queue, *wanted))
        return True

    # -- out ------------------------------------------------------------------------------------------------------
    def take(self, queue: str, *, lock: bool) -> Taken | None:
        """The next message, locked for its receiver or (``lock`` False) deleted."""
        with self._db:
            while row := self._next(queue):
                if row["expires"] is not None and row["expires"] <= self.now_ms():
                    self._bury(row, EXPIRED, "the time to live is over")
                    continue
                return self._hand_out(row, lock=lock)
        return None

    def take_deferred(self, queue: str, numbers: Iterable[int], *, lock: bool) -> list[Taken] | None:
        """Deferred messages by number; None when one is not there or is locked."""
        wanted = list(numbers)
        marks = ",".join("?" * len(wanted))
        where = f"queue = ? AND state = {DEFERRED} AND token IS NULL AND number IN ({marks})"
        with self._db:
            rows = self._rows(where + " ORDER BY number", queue, *wanted)
            if len(rows) != len(wanted):
                return None
            return [self._hand_out(row, lock=lock) for row in rows]

    def peek(self, queue: str, first: int, count: int) -> list[bytes]:
        """Messages from a number on, whatever their state, as they are."""
        rows = self._rows("queue = ? AND number >= ? ORDER BY number LIMIT ?", queue, first, count)
        return [self._encoded(row, {"x-opt-message-state": Int(row["state"])}) for row in rows]

    def _next(self, queue: str) -> sqlite3.Row | None:
        limit = 8 if self.reorder else 1
        where = "queue = ? AND state = 0 AND token IS NULL ORDER BY number LIMIT ?"
        rows = self._rows(where, queue, limit)
        if not rows:
            return None
        return self.reorder.choice(rows) if self.reorder else rows[0]

    def _hand_out(self, row: sqlite3.Row, *, lock: bool) -> Taken:
        token = uuid.uuid4()
        if not lock:
            self._db.execute("DELETE FROM messages WHERE number = ?", (row["number"],))
            return Taken(token, row["number"], self._encoded(row, {}))
        until = self.now_ms() + self._rule(row["queue"], "lock_ms")
        change = "UPDATE messages SET token = ?, locked_until = ? WHERE number = ?"
        self._db.execute(change, (token.bytes, until, row["number"]))
        return Taken(token, row["number"], self._encoded(row, {"x-opt-locked-until": Timestamp(until)}))

    def _encoded(self, row: sqlite3.Row, annotations: dict[str, Any]) -> bytes:
        content = Content(
            properties=row["properties"],
            application=row["application"],
            body=row["body"],
            annotations=decode(row["annotations"])[0],
            ttl_ms=row["ttl"],
        )
        ours = {"x-opt-sequence-number": Long(row["number"]), "x-opt-enqueued-time": Timestamp(row["enqueued"])}
        dead = None if row["reason"] is None else (row["reason"], row["description"] or "")
        return delivered(content, count=row["failures"], annotations=ours | annotations, dead_letter=dead)

    # -- settling -------------------------------------------------------------------------------------------------
    def complete(self, token: uuid.UUID) -> bool:
        """Delete; this and the others answer False when the lock is gone."""
        return self._with_lock(token, lambda row: self._delete(row))

    def abandon(self, token: uuid.UUID) -> bool:
        """Unlock and count a failed delivery."""
        return self._with_lock(token, self._failed)

    def release(self, token: uuid.UUID) -> bool:
        """Unlock and count nothing: the receiver never looked at it."""
        return self._with_lock(token, lambda row: self._change(row, "token = NULL, locked_until = NULL"))

    def defer(self, token: uuid.UUID) -> bool:
        """Set aside: only its number gets it."""
        return self._with_lock(token, lambda row: self._change(row, f"token = NULL, state = {DEFERRED}"))

    def bury(self, token: uuid.UUID, reason: str, description: str) -> bool:
        """Move to the dead letters."""
        return self._with_lock(token, lambda row: self._bury(row, reason, description))

    def renew(self, tokens: Iterable[uuid.UUID]) -> list[int] | None:
        """New ends of these locks (ms); None when one is gone."""
        with self._db:
            rows = [self._locked(token) for token in tokens]
            if not all(rows):
                return None
            ends = [self.now_ms() + self._rule(row["queue"], "lock_ms") for row in rows if row]
            for row, end in zip(rows, ends, strict=True):
                assert row is not None
                self._db.execute("UPDATE messages SET locked_until = ? WHERE number = ?", (end, row["number"]))
        return ends

    def lose_locks(self, queue: str) -> int:
        """Let every lock of a queue run out now."""
        where = "queue = ? AND token IS NOT NULL"
        with self._db:
            return self._db.execute(f"UPDATE messages SET locked_until = 0 WHERE {where}", (queue,)).rowcount

    def tick(self) -> set[str]:
        """Collect locks that ran out and scheduled messages that are due; answers the queues that have more now."""
        now = self.now_ms()
        with self._db:
            late = self._rows("token IS NOT NULL AND locked_until <= ?", now)
            due = self._rows(f"state = {SCHEDULED} AND due <= ? ORDER BY due, number", now)
            for row in late:
                self._failed(row)
            for row in due:
                self._renumber(row)
        return {row["queue"] for row in (*late, *due)}

    def _renumber(self, row: sqlite3.Row) -> None:
        names = [name for name in row.keys() if name != "number"]  # noqa: SIM118 - a Row iterates over values
        values = {**{name: row[name] for name in names}, "state": ACTIVE, "due": None, "enqueued": self.now_ms()}
        self._delete(row)
        marks = ",".join("?" * len(names))
        self._db.execute(f"INSERT INTO messages ({','.join(names)}) VALUES ({marks})", tuple(values.values()))

    def _failed(self, row: sqlite3.Row) -> None:
        most = self._rule(row["queue"], "most")
        if row["failures"] + 1 >= most and not row["queue"].endswith(DEAD):
            self._bury(row, TOO_OFTEN, f"delivered {row['failures'] + 1} times, allowed are {most}")
        else:
            self._change(row, "token = NULL, locked_until = NULL, failures = failures + 1")

    def _bury(self, row: sqlite3.Row, reason: str, description: str) -> None:
        queue = row["queue"].removesuffix(DEAD) + DEAD
        change = (
            "queue = ?, reason = ?, description = ?, state = 0, token = NULL, locked_until = NULL, expires = NULL,"
            " failures = failures + 1"
        )
        self._change(row, change, queue, reason, description)

    def _with_lock(self, token: uuid.UUID, act: Callable[[sqlite3.Row], None]) -> bool:
        with self._db:
            row = self._locked(token)
            if row is not None:
                act(row)
        return row is not None

    def _locked(self, token: uuid.UUID) -> sqlite3.Row | None:
        rows = self._rows("token = ? AND locked_until > ?", token.bytes, self.now_ms())
        return rows[0] if rows else None

    # -- figures --------------------------------------------------------------------------------------------------
    def counts(self, queue: str) -> dict[str, int]:
        """How many messages a queue has, as the service counts them: locked ones are active."""
        return {
            "active": self._count("queue = ? AND state = 0", queue),
            "deferred": self._count("queue = ? AND state = 1", queue),
            "scheduled": self._count("queue = ? AND state = 2", queue),
            "dead": self._count("queue = ?", queue + DEAD),
            "locked": self._count("queue = ? AND token IS NOT NULL", queue),
        }

    def _rule(self, queue: str, name: str) -> int:
        return int(self._rules[queue.removesuffix(DEAD)][name])

    def _count(self, where: str, *values: object) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM messages WHERE {where}", values).fetchone()[0])

    def _rows(self, where: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(f"SELECT * FROM messages WHERE {where}", values).fetchall()

    def _change(self, row: sqlite3.Row, change: str, *values: object) -> None:
        self._db.execute(f"UPDATE messages SET {change} WHERE number = ?", (*values, row["number"]))

    def _delete(self, row: sqlite3.Row) -> None:
        self._db.execute("DELETE FROM messages WHERE number = ?", (row["number"],))
