"""How work is handed out, kept, ended and collected: claim, heartbeat, complete, fail, sweep."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import Row, Select, and_, or_, select, update

from opendrape.adapters.sql import assets, at_once, frame_work, items
from opendrape.adapters.sql.progression import follow
from opendrape.adapters.sql.tables import outbox, work_items
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.frames import FrameState
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Failure, Lease, Outcome, WorkKind
from opendrape.errors import Disposition

RING_AGAIN_AFTER = timedelta(seconds=30)
"""A due item that nobody took for this long is rung for again: the ring may be lost."""

UNEXPECTED = "unexpected"
ATTEMPTS_EXHAUSTED = "attempts_exhausted"
LEASE_EXPIRED = "lease_expired"
SWEEPER = "sweeper"


def claim(tx: Transaction, kinds: Collection[WorkKind], *, owner: str, lease_seconds: float) -> Lease | None:
    """Hand out the oldest due item of these kinds."""
    due = tx.connection.execute(oldest_due(tx, kinds)).one_or_none()
    if due is None:
        return None
    return begun(tx, items.lease(tx, due, owner=owner, until=tx.now + timedelta(seconds=lease_seconds)))


def claim_item(tx: Transaction, item_id: int, *, owner: str, lease_seconds: float) -> Lease | None:
    """Hand out one item if it is due."""
    due = tx.connection.execute(oldest_due(tx, tuple(WorkKind)).where(work_items.c.item_id == item_id)).one_or_none()
    if due is None:
        return None
    return begun(tx, items.lease(tx, due, owner=owner, until=tx.now + timedelta(seconds=lease_seconds)))


def begun(tx: Transaction, leased: Lease | None) -> Lease | None:
    if leased is not None and leased.kind is WorkKind.FRAMES:
        frame_work.begun(tx, leased.chunk)
    return leased


def oldest_due(tx: Transaction, kinds: Collection[WorkKind]) -> Select[Any]:
    """The query for the next item. A row that another claim holds is skipped where the database can (not SQLite)."""
    return (
        select(work_items)
        .where(
            work_items.c.state == WorkState.QUEUED,
            work_items.c.kind.in_(tuple(kinds)),
            work_items.c.due_at <= tx.now,
            work_items.c.attempts < tx.retry.max_attempts,
        )
        .order_by(work_items.c.due_at, work_items.c.item_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def heartbeat(tx: Transaction, lease: Lease, *, lease_seconds: float, progress: float) -> None:
    """Move the deadline. No audit event: the state stays."""
    share = min(1.0, max(0.0, progress))
    items.held(tx, lease, lease_until=tx.now + timedelta(seconds=lease_seconds), progress=share)


def complete(tx: Transaction, lease: Lease, outcome: Outcome) -> None:
    """End the item well, fenced first: a stale worker stores nothing."""
    if tx.is_postgresql and lease.kind is WorkKind.MASK:
        at_once.alone_at_last_chunk(tx, lease.asset_id)
    assets.lock(tx, lease.asset_id)
    items.end_lease(tx, lease, WorkState.DONE, progress=1.0)
    return follow(tx, lease, outcome)


def fail(tx: Transaction, lease: Lease, failure: Failure) -> None:
    """End the attempt as its disposition and the attempts left demand."""
    asset = assets.lock(tx, lease.asset_id)
    # frames are asked for of videos that came to rest long ago
    since = frame_work.asked_at(tx, lease.chunk) if lease.kind is WorkKind.FRAMES else asset.updated_at
    attempts_left = lease.attempts < tx.retry.max_attempts
    match failure.disposition:
        case Disposition.ABANDON:
            _requeue(tx, lease, failure, seconds=0.0, attempts=lease.attempts - 1)
        case Disposition.WAIT if tx.now < since + timedelta(hours=tx.retry.outage_hours):
            seconds = _spread(lease, tx.retry.outage_delay_seconds)
            _requeue(tx, lease, failure, seconds=seconds, attempts=lease.attempts - 1)
        case Disposition.RETRY | Disposition.WAIT if attempts_left:
            seconds = _spread(lease, tx.retry.delay_seconds(lease.attempts))
            _requeue(tx, lease, failure, seconds=seconds, attempts=lease.attempts)
        case _:
            _give_up(tx, lease, failure)


def sweep(tx: Transaction, *, all_leases: bool = False) -> int:
    """Collect leases that ran out and ring again where a ring may be lost; how many items changed their state."""
    changed = sum(_collect(tx, row) for row in _abandoned(tx, all_leases=all_leases))
    for row in _unheard(tx):
        items.ring_again(tx, row)
    return changed


def make_due(tx: Transaction) -> None:
    """Whatever waits for a later time waits no longer: after a start, or a clock that was set back in between."""
    waiting = and_(work_items.c.state.in_((WorkState.QUEUED, WorkState.LEASED)), work_items.c.due_at > tx.now)
    tx.connection.execute(update(work_items).where(waiting).values(due_at=tx.now, rung_at=tx.now))
    tx.connection.execute(update(outbox).where(outbox.c.due_at > tx.now).values(due_at=tx.now))


def _requeue(tx: Transaction, lease: Lease, failure: Failure, *, seconds: float, attempts: int) -> None:
    due_at = tx.now + timedelta(seconds=seconds)
    reason, detail = failure.reason, failure.detail or None
    items.end_lease(tx, lease, WorkState.QUEUED, reason=reason, detail=detail, due_at=due_at, attempts=attempts)


def _spread(lease: Lease, seconds: float) -> float:
    # Over the upper half of the delay, by the item's number: items that failed together do not return together.
    return seconds * (0.5 + 0.5 * crc32(f"{lease.item_id}:{lease.epoch}".encode()) / 2**32)


def _give_up(tx: Transaction, lease: Lease, failure: Failure) -> None:
    items.end_lease(tx, lease, WorkState.FAILED, reason=failure.reason, detail=failure.detail or None)
    doubtful = failure.disposition is Disposition.QUARANTINE or _is_unexplained(failure)
    if lease.kind is WorkKind.FRAMES:
        state = FrameState.QUARANTINED if doubtful else FrameState.FAILED
        frame_work.end(tx, lease.chunk, state, actor=lease.owner, reason=failure.reason)
        return
    after = AssetState.QUARANTINED if doubtful else AssetState.FAILED
    _take_asset_along(tx, lease.asset_id, after, actor=lease.owner, reason=failure.reason)


def _is_unexplained(failure: Failure) -> bool:
    return failure.disposition is Disposition.RETRY and failure.reason == UNEXPECTED


def _take_asset_along(tx: Transaction, asset_id: str, after: AssetState, *, actor: str, reason: str) -> None:
    assets.move(tx, asset_id, after, actor=actor, reason=reason)
    items.cancel_open(tx, asset_id, actor=actor, reason=reason)


def _abandoned(tx: Transaction, *, all_leases: bool) -> list[Row[Any]]:
    leased = work_items.c.state == WorkState.LEASED
    ran_out = leased if all_leases else and_(leased, work_items.c.lease_until <= tx.now)
    # Only when the allowed number of attempts was lowered meanwhile; nobody would ever claim such an item.
    used_up = and_(work_items.c.state == WorkState.QUEUED, work_items.c.attempts >= tx.retry.max_attempts)
    query = select(work_items).where(or_(ran_out, used_up)).order_by(work_items.c.asset_id, work_items.c.item_id)
    return list(tx.connection.execute(query).all())


def _collect(tx: Transaction, row: Row[Any]) -> bool:
    assets.lock(tx, row.asset_id)
    if row.attempts >= tx.retry.max_attempts:
        return _exhaust(tx, row)
    if not items.move(tx, row, WorkState.QUEUED, actor=SWEEPER, reason=LEASE_EXPIRED):
        return False
    items.ring_again(tx, row)
    return True


def _exhaust(tx: Transaction, row: Row[Any]) -> bool:
    if not items.move(tx, row, WorkState.FAILED, actor=SWEEPER, reason=ATTEMPTS_EXHAUSTED):
        return False
    if row.kind is WorkKind.FRAMES:
        frame_work.end(tx, row.chunk, FrameState.FAILED, actor=SWEEPER, reason=ATTEMPTS_EXHAUSTED)
        return True
    _take_asset_along(tx, row.asset_id, AssetState.FAILED, actor=SWEEPER, reason=ATTEMPTS_EXHAUSTED)
    return True


def _unheard(tx: Transaction) -> list[Row[Any]]:
    long_ago = tx.now - RING_AGAIN_AFTER
    query = (
        select(work_items)
        .where(
            work_items.c.state == WorkState.QUEUED, work_items.c.due_at <= long_ago, work_items.c.rung_at <= long_ago
        )
        .order_by(work_items.c.item_id)
        # many sweepers in a cluster: each ring is asked for by one of them
        .with_for_update(skip_locked=True)
    )
    return list(tx.connection.execute(query).all())
