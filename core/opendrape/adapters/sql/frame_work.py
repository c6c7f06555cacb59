"""What the ledger's changes to a work item of kind ``frames`` do to the request behind it, in the same transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from opendrape.adapters.sql.frame_tables import frame_requests
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.frames import FrameState
from opendrape.domain.work import FramesPacked, Lease


def begun(tx: Transaction, number: int) -> None:
    """A worker took it: the first time counts."""
    tx.connection.execute(
        update(frame_requests)
        .where(frame_requests.c.number == number, frame_requests.c.started_at.is_(None))
        .values(started_at=tx.now)
    )


def asked_at(tx: Transaction, number: int) -> datetime:
    """When somebody asked for these frames."""
    found: datetime = tx.connection.execute(
        select(frame_requests.c.created_at).where(frame_requests.c.number == number)
    ).scalar_one()
    return found


def packed(tx: Transaction, lease: Lease, outcome: FramesPacked) -> None:
    """The ZIP is there."""
    tx.connection.execute(
        update(frame_requests)
        .where(frame_requests.c.number == lease.chunk, frame_requests.c.ended.is_(None))
        .values(archive_name=outcome.name, archive_sha256=outcome.sha256, archive_bytes=outcome.size_bytes)
    )
    end(tx, lease.chunk, FrameState.COMPLETED, actor=lease.owner, reason=None)


def end(tx: Transaction, number: int, state: FrameState, *, actor: str, reason: str | None) -> None:
    """The request is over; the asset goes its own way."""
    ended = tx.connection.execute(
        update(frame_requests)
        .where(frame_requests.c.number == number, frame_requests.c.ended.is_(None))
        .values(ended=state, ended_at=tx.now, reason=reason)
        .returning(frame_requests.c.request_id)
    ).one_or_none()
    if ended is not None:
        tx.record(actor, f"frames.{state}", ended.request_id, reason=reason)
