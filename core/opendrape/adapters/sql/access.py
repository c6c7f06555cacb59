"""API keys on a SQL database: which statement answers which call of the port."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from opendrape.adapters.sql.access_tables import api_keys
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.store import alone
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.access import ApiKey, Role, Scope
from opendrape.domain.work import RetryRule
from opendrape.errors import IllegalTransition, NotFound
from opendrape.ports.access import LIVE_KEYS_PER_CLIENT, AccessStore, StoredKey
from opendrape.ports.clock import Clock

# asked with every request: put together once
FIND_KEY = select(api_keys).where(api_keys.c.key_id == bindparam("key_id"))


class SqlAccessStore(AccessStore):
    """See :class:`opendrape.ports.access.AccessStore`. Threads may share one; whoever made the database closes it."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._database.write() as connection:
            yield Transaction(connection, self._clock.now(), RetryRule())

    def add_key(self, new: StoredKey, *, actor: str) -> None:
        with self._writing() as tx:
            _add(tx, new)
            tx.record(actor, "api_key.created", new.key.key_id, **_facts(new.key))

    def replace_key(self, key_id: str, new: StoredKey, *, old_until: datetime, actor: str) -> None:
        with self._writing() as tx:
            old = _locked(tx, key_id)
            if not old.is_live(tx.now):
                raise IllegalTransition(reason="key_not_live")
            until = min(old.expires_at, max(old_until, tx.now))
            _change(tx, key_id, expires_at=until)
            _add(tx, new)
            tx.record(actor, "api_key.rotated", key_id, successor=new.key.key_id, until=until.isoformat())
            tx.record(actor, "api_key.created", new.key.key_id, **_facts(new.key))

    def revoke_key(self, key_id: str, *, actor: str) -> ApiKey:
        with self._writing() as tx:
            old = _locked(tx, key_id)
            if old.revoked_at is None:
                _change(tx, key_id, revoked_at=tx.now)
                tx.record(actor, "api_key.revoked", key_id, client=old.client)
            return _locked(tx, key_id)

    def find_key(self, key_id: str) -> StoredKey | None:
        with self._database.read() as connection:
            row = connection.execute(FIND_KEY, {"key_id": key_id}).one_or_none()
        return stored_key_of(row) if row else None

    def keys(self, *, after: str | None = None, limit: int = 100) -> Sequence[ApiKey]:
        query = select(api_keys).where(api_keys.c.key_id > (after or "")).order_by(api_keys.c.key_id).limit(limit)
        with self._database.read() as connection:
            return [_key_of(row) for row in connection.execute(query)]

    def has_keys(self) -> bool:
        with self._database.read() as connection:
            return bool(connection.execute(select(func.count()).select_from(api_keys)).scalar_one())

    def keys_used(self, key_ids: Collection[str]) -> None:
        with self._writing() as tx:
            used = update(api_keys).where(api_keys.c.key_id.in_(sorted(key_ids)))
            tx.connection.execute(used.values(last_used_at=tx.now))


def _add(tx: Transaction, new: StoredKey) -> None:
    key = new.key
    alone(tx.connection, f"keys:{key.client}")
    rows = tx.connection.execute(select(api_keys).where(api_keys.c.client == key.client)).all()
    if sum(_key_of(row).is_live(tx.now) for row in rows) >= LIVE_KEYS_PER_CLIENT:
        raise IllegalTransition(reason="too_many_keys")
    tx.connection.execute(
        insert(api_keys).values(
            key_id=key.key_id,
            client=key.client,
            label=key.label,
            digest=new.digest,
            roles=sorted(key.roles),
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


def _locked(tx: Transaction, key_id: str) -> ApiKey:
    row = tx.connection.execute(select(api_keys).where(api_keys.c.key_id == key_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound
    return _key_of(row)


def _change(tx: Transaction, key_id: str, **values: datetime) -> None:
    tx.connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(**values))


def _facts(key: ApiKey) -> dict[str, str]:
    return {"client": key.client, "roles": " ".join(sorted(key.roles)), "scopes": " ".join(sorted(key.scopes))}


def stored_key_of(row: Row[Any]) -> StoredKey:
    """A row of ``api_keys``."""
    return StoredKey(_key_of(row), row.digest)


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        client=row.client,
        label=row.label,
        roles=frozenset(map(Role, row.roles)),
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
