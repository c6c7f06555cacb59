"""How much there is: assets by state, items by kind, and how long the oldest waits."""

from __future__ import annotations

from sqlalchemy import func, select

from opendrape.adapters.sql.items import OPEN_STATES
from opendrape.adapters.sql.tables import ENDED, assets, work_items
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import WorkKind


def count_assets(tx: Transaction) -> dict[AssetState, int]:
    """How many assets are in each state."""
    rows = tx.connection.execute(select(assets.c.state, func.count()).group_by(assets.c.state))
    return dict.fromkeys(AssetState, 0) | {state: int(number) for state, number in rows}


def queue_depth(tx: Transaction) -> dict[WorkKind, int]:
    """How many items are open, by kind."""
    rows = tx.connection.execute(
        select(work_items.c.kind, func.count()).where(work_items.c.state.in_(OPEN_STATES)).group_by(work_items.c.kind)
    )
    return dict.fromkeys(WorkKind, 0) | {kind: int(number) for kind, number in rows}


def oldest_due_seconds(tx: Transaction) -> dict[WorkKind, float]:
    """How long the item that is due the longest has waited, by kind: the first one in the index of each."""
    ages = dict.fromkeys(WorkKind, 0.0)
    for kind in WorkKind:
        waiting = (work_items.c.state == WorkState.QUEUED, work_items.c.kind == kind)
        oldest = select(work_items.c.due_at).where(*waiting).order_by(work_items.c.due_at).limit(1)
        due_at = tx.connection.execute(oldest).scalar_one_or_none()
        ages[kind] = 0.0 if due_at is None else max(0.0, (tx.now - due_at).total_seconds())
    return ages


def outcomes(tx: Transaction) -> dict[tuple[WorkKind, WorkState, str | None], int]:
    """How many items ended how: by kind, state and reason, counted from the index of ended items alone."""
    columns = (work_items.c.kind, work_items.c.state, work_items.c.reason)
    # written out: a partial index is found by its words, not by parameters
    rows = tx.connection.execute(select(*columns, func.count()).where(ENDED).group_by(*columns))
    return {(kind, state, reason): int(number) for kind, state, reason, number in rows}


def open_items(tx: Transaction) -> int:
    """How many items are neither done, failed nor cancelled."""
    query = select(func.count()).select_from(work_items).where(work_items.c.state.in_(OPEN_STATES))
    return int(tx.connection.execute(query).scalar_one())
