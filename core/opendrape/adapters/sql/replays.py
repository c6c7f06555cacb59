"""Where answers under an Idempotency-Key are kept: one row a key, reserved by whoever inserts it first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update

from opendrape.adapters.sql.store import SqlStore, insert_once
from opendrape.adapters.sql.transaction import Transaction
from opendrape.adapters.sql.upload_tables import replays
from opendrape.ports.replays import Replays, Reservation, StoredAnswer


class SqlReplays(SqlStore, Replays):
    """See the port."""

    def reserve(
        self, replay_id: str, *, fingerprint: str, holder: str, hold_seconds: float, keep_seconds: float
    ) -> Reservation | StoredAnswer:
        with self._writing() as tx:
            mine = {
                "fingerprint": fingerprint,
                "reserved_by": holder,
                "reserved_until": tx.now + timedelta(seconds=hold_seconds),
                "expires_at": tx.now + timedelta(seconds=keep_seconds),
                "status": None,
                "headers": None,
                "body": None,
            }
            row = None
            while row is None:  # whoever held it may let it go between the two
                if insert_once(tx.connection, replays, replay_id=replay_id, **mine):
                    return Reservation.MINE
                row = _locked(tx, replay_id)
            if row.expires_at <= tx.now:
                return _take_over(tx, replay_id, mine)
            if row.fingerprint != fingerprint:
                return Reservation.REUSED
            if row.status is not None:
                return StoredAnswer(status=row.status, headers=row.headers, body=row.body)
            return Reservation.RUNNING if row.reserved_until > tx.now else _take_over(tx, replay_id, mine)

    def keep(self, replay_id: str, *, holder: str, answer: StoredAnswer) -> None:
        with self._writing() as tx:
            tx.connection.execute(
                update(replays)
                .where(replays.c.replay_id == replay_id, replays.c.reserved_by == holder)
                .values(status=answer.status, headers=answer.headers, body=answer.body)
            )

    def release(self, replay_id: str, *, holder: str) -> None:
        with self._writing() as tx:
            held = (replays.c.replay_id == replay_id, replays.c.reserved_by == holder, replays.c.status.is_(None))
            tx.connection.execute(delete(replays).where(*held))

    def forget_expired(self) -> int:
        with self._writing() as tx:
            return tx.connection.execute(delete(replays).where(replays.c.expires_at <= tx.now)).rowcount


def _locked(tx: Transaction, replay_id: str) -> Row[Any] | None:
    query = select(replays).where(replays.c.replay_id == replay_id).with_for_update()
    return tx.connection.execute(query).one_or_none()


def _take_over(tx: Transaction, replay_id: str, mine: dict[str, Any]) -> Reservation:
    tx.connection.execute(update(replays).where(replays.c.replay_id == replay_id).values(**mine))
    return Reservation.MINE
