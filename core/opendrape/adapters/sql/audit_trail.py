"""The audit's trail on a SQL database: which statement answers which call of the port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, select

from opendrape.adapters.sql.access_tables import audit_seals
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.tables import audit_events
from opendrape.domain.audit import AuditEvent, Seal, StoredEvent
from opendrape.errors import CatalogueUnavailable
from opendrape.ports.audit_trail import AuditTrail, Sign
from opendrape.ports.clock import Clock

_LATE = 10_000
"""How far behind the newest sealed number an event may still turn up: PostgreSQL numbers before it commits."""

_CONFLICT = "catalogue_conflict"


class SqlAuditTrail(AuditTrail):
    """See :class:`opendrape.ports.audit_trail.AuditTrail`. Two sealers meet at the primary key: one of them wins."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def seal_next(self, sign: Sign, *, limit: int, everything: bool = False) -> Sequence[Seal]:
        with self._database.read() as connection:
            if not connection.execute(_to_seal(connection, everything).limit(1)).all():
                return ()  # no write lock for nothing
        try:
            with self._database.write() as connection:
                rows = connection.execute(_to_seal(connection, everything).limit(limit)).all()
                seals = sign(_head(connection), [_stored(row) for row in rows], self._clock.now()) if rows else ()
                if seals:
                    connection.execute(insert(audit_seals), [_values(seal) for seal in seals])
        except CatalogueUnavailable as error:
            if error.reason != _CONFLICT:
                raise
            return ()
        return seals

    def head(self) -> Seal | None:
        with self._database.read() as connection:
            return _head(connection)

    def seal_at(self, position: int) -> Seal | None:
        with self._database.read() as connection:
            row = connection.execute(select(audit_seals).where(audit_seals.c.position == position)).one_or_none()
        return _seal(row) if row else None

    def sealed(self, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[Seal, StoredEvent | None]]:
        query = (
            select(audit_seals, *_event_columns("e_"))
            .join(audit_events, audit_events.c.event_id == audit_seals.c.event_id, isouter=True)
            .where(audit_seals.c.position > after)
            .order_by(audit_seals.c.position)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [(_seal(row), _stored(row, "e_")) for row in connection.execute(query)]

    def unsealed(self, *, after: int = 0, limit: int = 1000) -> Sequence[StoredEvent]:
        query = _unsealed().where(audit_events.c.event_id > after).limit(limit)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def events(self, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[StoredEvent, Seal | None]]:
        # said twice: a join that merges then begins in the middle of both indexes
        same = and_(audit_seals.c.event_id == audit_events.c.event_id, audit_seals.c.event_id > after)
        query = (
            select(*_event_columns("e_"), audit_seals)
            .join(audit_seals, same, isouter=True)
            .where(audit_events.c.event_id > after)
            .order_by(audit_events.c.event_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows: Sequence[Any] = connection.execute(query).all()
        return [(_stored(row, "e_"), None if row.position is None else _seal(row)) for row in rows]


def _to_seal(connection: Connection, everything: bool) -> Select[Any]:
    if everything:
        return _unsealed()
    newest = connection.execute(select(func.max(audit_seals.c.event_id))).scalar_one() or 0
    return _unsealed().where(audit_events.c.event_id > newest - _LATE)


def _unsealed() -> Select[Any]:
    return (
        select(audit_events)
        .join(audit_seals, audit_seals.c.event_id == audit_events.c.event_id, isouter=True)
        .where(audit_seals.c.event_id.is_(None))
        .order_by(audit_events.c.event_id)
    )


def _head(connection: Connection) -> Seal | None:
    row = connection.execute(select(audit_seals).order_by(audit_seals.c.position.desc()).limit(1)).one_or_none()
    return _seal(row) if row else None


def _event_columns(prefix: str) -> list[Any]:
    return [column.label(prefix + column.name) for column in audit_events.c]


def _values(seal: Seal) -> dict[str, object]:
    return {name: getattr(seal, name) for name in ("position", "event_id", "sealed_at", "key_id", "mac")}


def _seal(row: Row[Any]) -> Seal:
    return Seal(row.position, row.event_id, row.sealed_at, row.key_id, row.mac)


def _stored(row: Row[Any], prefix: str = "") -> Any:
    """The event in a row; None where an outer join found none."""
    value = {name: getattr(row, prefix + name) for name in ("event_id", "at", "actor", "action", "object_id", "facts")}
    number = value.pop("event_id")
    return None if number is None else StoredEvent(number, AuditEvent(**value))
