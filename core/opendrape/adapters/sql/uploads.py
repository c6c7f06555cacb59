"""Where uploads and the owners of videos are kept: rows under a lock, fenced by an epoch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update

from opendrape.adapters.sql.store import SqlStore, alone, insert_once
from opendrape.adapters.sql.transaction import Transaction
from opendrape.adapters.sql.upload_tables import asset_owners, uploads
from opendrape.domain.uploads import UPLOAD_TRANSITIONS, Upload, UploadState, check_upload_transition
from opendrape.errors import IllegalTransition, NotFound, QuotaExceeded
from opendrape.ports.uploads import NewUpload, Owners, Quota, Uploads

_OPEN = (UploadState.RECEIVING, UploadState.COMPLETE)
_OVER = tuple(state for state, after in UPLOAD_TRANSITIONS.items() if not after)
_GIVEN_UP = (UploadState.TERMINATED, UploadState.EXPIRED)


class SqlUploads(SqlStore, Uploads):
    """See the port."""

    def create(self, new: NewUpload, *, quota: Quota) -> Upload:
        with self._writing() as tx:
            alone(tx.connection, f"uploads:{new.owner}")
            _must_fit(tx, new, quota)
            values = {
                "upload_id": new.upload_id,
                "owner": new.owner,
                "state": UploadState.RECEIVING if new.length else UploadState.COMPLETE,
                "length": new.length,
                "received": new.length if new.is_here else 0,
                "epoch": 0,
                "policy_name": new.policy_name,
                "declared_sha256": new.declared_sha256,
                "created_at": tx.now,
                "updated_at": tx.now,
                "expires_at": new.expires_at,
            }
            tx.connection.execute(insert(uploads).values(**values))
            tx.record(new.owner, "upload.created", new.upload_id, size_bytes=new.length)
            return _one(tx, new.upload_id)

    def get(self, upload_id: str) -> Upload:
        with self._reading() as tx:
            return _one(tx, upload_id)

    def of_owner(self, owner: str, *, limit: int) -> Sequence[Upload]:
        query = select(uploads).where(uploads.c.owner == owner).order_by(uploads.c.created_at.desc()).limit(limit)
        with self._reading() as tx:
            return _all(tx, query)

    def take(self, upload_id: str, *, offset: int) -> Upload:
        with self._writing() as tx:
            row = _locked(tx, upload_id)
            if row.state is not UploadState.RECEIVING:
                raise IllegalTransition(reason="upload_closed")
            if row.expires_at <= tx.now:
                raise IllegalTransition(reason="upload_expired")
            if row.received != offset:
                raise IllegalTransition(reason="upload_offset")
            return _change(tx, upload_id, epoch=row.epoch + 1)

    def advance(self, upload_id: str, *, epoch: int, offset: int, length: int | None = None) -> Upload:
        with self._writing() as tx:
            row = _held(tx, upload_id, epoch)
            length = row.length if length is None else length
            if not row.received <= offset <= length <= row.length:
                raise ValueError("an upload goes forward, up to its length")
            if offset < length:
                return _change(tx, upload_id, received=offset)
            tx.record(row.owner, "upload.completed", upload_id, size_bytes=length)
            return _change(tx, upload_id, received=offset, length=length, state=UploadState.COMPLETE)

    def hold(self, upload_id: str, *, epoch: int) -> None:
        with self._reading() as tx:
            _must_hold(_row(tx, upload_id), epoch)

    def close(self, upload_id: str, after: UploadState, *, reason: str | None = None, actor: str) -> Upload:
        with self._writing() as tx:
            row = _locked(tx, upload_id)
            if row.state is after:
                return _upload(row)
            return _move(tx, row, after, actor=actor, reason=reason)

    def registered(self, upload_id: str, asset_id: str) -> Upload:
        with self._writing() as tx:
            row = _locked(tx, upload_id)
            if row.state is UploadState.REGISTERED:
                return _upload(row)
            insert_once(tx.connection, asset_owners, owner=row.owner, asset_id=asset_id, since=tx.now)
            _change(tx, upload_id, asset_id=asset_id)
            return _move(tx, row, UploadState.REGISTERED, actor="ingest")

    def expire(self) -> Sequence[Upload]:
        late = select(uploads).where(uploads.c.state == UploadState.RECEIVING)
        with self._writing() as tx:
            rows = tx.connection.execute(late.where(uploads.c.expires_at <= tx.now).with_for_update()).all()
            return [_move(tx, row, UploadState.EXPIRED, actor="system", reason="upload_expired") for row in rows]

    def in_states(self, states: Collection[UploadState], *, limit: int, prefix: str = "") -> Sequence[Upload]:
        query = select(uploads).where(uploads.c.state.in_(tuple(states)))
        query = query.where(uploads.c.upload_id.startswith(prefix, autoescape=True)) if prefix else query
        with self._reading() as tx:
            return _all(tx, query.order_by(uploads.c.expires_at, uploads.c.upload_id).limit(limit))

    def states_of(self, upload_ids: Collection[str]) -> dict[str, UploadState]:
        query = select(uploads.c.upload_id, uploads.c.state).where(uploads.c.upload_id.in_(tuple(upload_ids)))
        with self._reading() as tx:
            return {row.upload_id: row.state for row in tx.connection.execute(query)}

    def outstanding_bytes(self) -> int:
        missing = func.coalesce(func.sum(uploads.c.length - uploads.c.received), 0)
        with self._reading() as tx:
            query = select(missing).where(uploads.c.state == UploadState.RECEIVING)
            return int(tx.connection.execute(query).scalar_one())

    def forget_before(self, moment: datetime) -> int:
        over = delete(uploads).where(uploads.c.state.in_(_OVER), uploads.c.updated_at < moment)
        with self._writing() as tx:
            return tx.connection.execute(over).rowcount


@dataclass(frozen=True)
class _Share:
    open_uploads: int
    bytes_in_a_day: int


class SqlOwners(SqlStore, Owners):
    """See the port."""

    def add(self, asset_id: str, owner: str) -> None:
        with self._writing() as tx:
            insert_once(tx.connection, asset_owners, owner=owner, asset_id=asset_id, since=tx.now)

    def is_owner(self, asset_id: str, owner: str) -> bool:
        query = select(asset_owners.c.owner).where(asset_owners.c.owner == owner, asset_owners.c.asset_id == asset_id)
        with self._reading() as tx:
            return tx.connection.execute(query).first() is not None


def _must_fit(tx: Transaction, new: NewUpload, quota: Quota) -> None:
    share = _share(tx, new.owner)
    if share.open_uploads >= quota.open_uploads:
        raise QuotaExceeded(reason="upload_quota_open")
    if share.bytes_in_a_day + new.length > quota.bytes_per_day:
        raise QuotaExceeded(reason="upload_quota_bytes")


def _share(tx: Transaction, owner: str) -> _Share:
    mine = uploads.c.owner == owner
    today = select(func.coalesce(func.sum(uploads.c.length), 0)).where(
        mine, uploads.c.created_at > tx.now - timedelta(days=1), uploads.c.state.not_in(_GIVEN_UP)
    )
    are_open = select(func.count()).select_from(uploads).where(mine, uploads.c.state.in_(_OPEN))
    run = tx.connection.execute
    return _Share(int(run(are_open).scalar_one()), int(run(today).scalar_one()))


def _move(tx: Transaction, row: Row[Any], after: UploadState, *, actor: str, reason: str | None = None) -> Upload:
    check_upload_transition(row.state, after)
    tx.record(actor, f"upload.{after}", row.upload_id, reason=reason)
    return _change(tx, row.upload_id, state=after, reason=reason, epoch=row.epoch + 1)


def _change(tx: Transaction, upload_id: str, **values: Any) -> Upload:
    tx.connection.execute(update(uploads).where(uploads.c.upload_id == upload_id).values(**values, updated_at=tx.now))
    return _one(tx, upload_id)


def _held(tx: Transaction, upload_id: str, epoch: int) -> Row[Any]:
    row = _locked(tx, upload_id)
    _must_hold(row, epoch)
    return row


def _must_hold(row: Row[Any], epoch: int) -> None:
    if row.state is not UploadState.RECEIVING or row.epoch != epoch:
        raise IllegalTransition(reason="upload_taken_over")


def _row(tx: Transaction, upload_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(uploads).where(uploads.c.upload_id == upload_id)
    row = tx.connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("no such upload")
    return row


def _locked(tx: Transaction, upload_id: str) -> Row[Any]:
    return _row(tx, upload_id, lock=True)


def _one(tx: Transaction, upload_id: str) -> Upload:
    return _upload(_row(tx, upload_id))


def _all(tx: Transaction, query: Select[Any]) -> list[Upload]:
    return [_upload(row) for row in tx.connection.execute(query)]


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        upload_id=row.upload_id,
        owner=row.owner,
        state=row.state,
        length=row.length,
        offset=row.received,
        epoch=row.epoch,
        policy_name=row.policy_name,
        declared_sha256=row.declared_sha256,
        asset_id=row.asset_id,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
