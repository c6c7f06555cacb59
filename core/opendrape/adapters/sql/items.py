"""How one work item changes: queued, claimed, ended; each with its audit event, each fenced by its epoch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from opendrape.adapters.sql.tables import WHOLE, work_items
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import WORK_TERMINAL, WorkState, check_work_transition
from opendrape.domain.work import Lease, WorkKind
from opendrape.errors import StaleLease

OPEN_STATES = tuple(state for state in WorkState if state not in WORK_TERMINAL)


def enqueue(tx: Transaction, asset_id: str, policy: PolicyRef, kind: WorkKind, *, actor: str) -> None:
    """Add a new item for the whole asset, due now, with its ring."""
    enqueue_all(tx, asset_id, policy, kind, [WHOLE], actor=actor)


def enqueue_all(
    tx: Transaction, asset_id: str, policy: PolicyRef, kind: WorkKind, chunks: Sequence[int], *, actor: str
) -> None:
    """Add a new item for each chunk, in order, due now, with their rings."""
    if not chunks:
        return
    new = {
        "asset_id": asset_id,
        "kind": kind,
        "policy_name": policy.name,
        "policy_digest": policy.digest,
        "state": WorkState.QUEUED,
        "attempts": 0,
        "lease_epoch": 0,
        "due_at": tx.now,
        "rung_at": tx.now,
        "progress": 0.0,
    }
    statement = insert(work_items).returning(work_items.c.item_id, work_items.c.chunk, sort_by_parameter_order=True)
    added = tx.connection.execute(statement, [new | {"chunk": chunk} for chunk in chunks]).all()
    action = f"work.{WorkState.QUEUED}"
    tx.append(*(tx.event(actor, action, asset_id, item=row.item_id, kind=kind, chunk=row.chunk) for row in added))
    tx.ring(kind, tx.now, *(row.item_id for row in added))


def lease(tx: Transaction, row: Row[Any], *, owner: str, until: datetime) -> Lease | None:
    """Hand a queued item out under a new epoch; None when somebody else was faster."""
    check_work_transition(row.state, WorkState.LEASED)
    epoch, attempts = row.lease_epoch + 1, row.attempts + 1
    changed = tx.connection.execute(
        update(work_items)
        .where(
            work_items.c.item_id == row.item_id,
            work_items.c.state == WorkState.QUEUED,
            work_items.c.lease_epoch == row.lease_epoch,
        )
        .values(state=WorkState.LEASED, lease_epoch=epoch, attempts=attempts)
        .values(owner=owner, lease_until=until, progress=0.0)
    )
    if changed.rowcount != 1:
        return None
    _record(tx, row, WorkState.LEASED, actor=owner, epoch=epoch, attempts=attempts)
    return Lease(
        item_id=row.item_id,
        asset_id=row.asset_id,
        kind=row.kind,
        chunk=row.chunk,
        policy=PolicyRef(name=row.policy_name, digest=row.policy_digest),
        epoch=epoch,
        attempts=attempts,
        owner=owner,
    )


def held(tx: Transaction, lease: Lease, **changes: object) -> Row[Any]:
    """Change the leased item if this lease still holds it; ``StaleLease`` otherwise, and nothing is changed."""
    changed = tx.connection.execute(
        update(work_items)
        .where(
            work_items.c.item_id == lease.item_id,
            work_items.c.lease_epoch == lease.epoch,
            work_items.c.state == WorkState.LEASED,
        )
        .values(**changes)
        .returning(*work_items.c)
    ).one_or_none()
    if changed is None:
        raise StaleLease()
    return changed


def end_lease(
    tx: Transaction,
    lease: Lease,
    after: WorkState,
    *,
    reason: str | None = None,
    detail: str | None = None,
    **changes: Any,
) -> None:
    """Leave ``leased`` for ``after``, fenced. The owner goes with the lease."""
    check_work_transition(WorkState.LEASED, after)
    row = held(tx, lease, state=after, owner=None, lease_until=None, reason=reason, **changes)
    _record(tx, row, after, actor=lease.owner, epoch=lease.epoch, reason=reason, detail=detail)
    if after is WorkState.QUEUED:
        ring_again(tx, row)


def move(tx: Transaction, row: Row[Any], after: WorkState, *, actor: str, reason: str | None) -> bool:
    """Change an item from outside, by the ledger itself; False when it changed meanwhile."""
    check_work_transition(row.state, after)
    changed = tx.connection.execute(
        update(work_items)
        .where(
            work_items.c.item_id == row.item_id,
            work_items.c.state == row.state,
            work_items.c.lease_epoch == row.lease_epoch,
            work_items.c.lease_until.is_not_distinct_from(row.lease_until),
        )
        .values(state=after, owner=None, lease_until=None, reason=reason)
    )
    if changed.rowcount != 1:
        return False
    _record(tx, row, after, actor=actor, epoch=row.lease_epoch, reason=reason)
    return True


def ring_again(tx: Transaction, row: Row[Any]) -> None:
    """Ask for a ring for an item that waits, and remember when."""
    due_at = max(row.due_at, tx.now)
    tx.connection.execute(update(work_items).where(work_items.c.item_id == row.item_id).values(rung_at=due_at))
    tx.ring(row.kind, due_at, row.item_id)


def has_open(tx: Transaction, asset_id: str, policy_digest: str) -> bool:
    """True when work is queued or under way for this asset and policy."""
    query = select(work_items.c.item_id).where(
        work_items.c.asset_id == asset_id,
        work_items.c.policy_digest == policy_digest,
        work_items.c.state.in_(OPEN_STATES),
    )
    return tx.connection.execute(query.limit(1)).one_or_none() is not None


def cancel_open(tx: Transaction, asset_id: str, *, actor: str, reason: str) -> None:
    """Cancel every open item of an asset's journey; workers that hold one find their lease stale.

    Requests for frames are no part of the journey: they end by themselves.
    """
    rows = tx.connection.execute(
        select(work_items)
        .where(work_items.c.asset_id == asset_id, work_items.c.state.in_(OPEN_STATES))
        .where(work_items.c.kind != WorkKind.FRAMES)
        .order_by(work_items.c.item_id)
        .with_for_update()
    ).all()
    for row in rows:
        move(tx, row, WorkState.CANCELLED, actor=actor, reason=reason)


def _record(tx: Transaction, row: Row[Any], after: WorkState, *, actor: str, **facts: str | int | None) -> None:
    tx.record(actor, f"work.{after}", row.asset_id, item=row.item_id, kind=row.kind, chunk=row.chunk, **facts)
