"""How requests for frames are read: rows, pages, measured pace and figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, false, func, not_, select

from opendrape.adapters.sql.frame_tables import (
    REQUEST_ID_LENGTH,
    download_tokens,
    frame_requests,
    frame_segments,
    frame_workers,
)
from opendrape.adapters.sql.rows import policy_of
from opendrape.adapters.sql.tables import OPEN, work_items
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.frames import OPEN as OPEN_STATES
from opendrape.domain.frames import (
    STATE_OF_WORK,
    ChosenSegment,
    FrameArchive,
    FrameFigures,
    FramePulse,
    FrameRequest,
    FrameState,
)
from opendrape.domain.states import WorkState
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import WorkKind
from opendrape.errors import NotFound
from opendrape.ports.frames import FrameFilter

__all__ = ["REQUEST_ID_LENGTH", "count", "figures", "one", "page", "seconds_per_frame"]

_LATEST = 50
"""How many requests a pace is measured on: the newest, so that a new machine or model is soon seen."""

_HERE = timedelta(minutes=2)

# Once a request has ended nothing of its item matters, so only the open one is joined: one row of a unique index.
_ITEM = and_(
    work_items.c.asset_id == frame_requests.c.asset_id,
    work_items.c.kind == WorkKind.FRAMES,
    work_items.c.chunk == frame_requests.c.number,
    OPEN,
)
_JOINED = frame_requests.outerjoin(work_items, _ITEM)
# few items are leased at a time: they lead to their requests
_RUNNING = frame_requests.join(work_items, _ITEM)
_IS_LEASED = work_items.c.state == WorkState.LEASED
_READ_FROM: dict[FrameState | None, FromClause] = {FrameState.PENDING: _JOINED, FrameState.PROCESSING: _RUNNING}


def one(tx: Transaction, where: ColumnElement[bool]) -> FrameRequest:
    """The request; ``NotFound`` when there is none."""
    found = _read(tx, _rows().where(where))
    if not found:
        raise NotFound
    return found[0]


def page(tx: Transaction, which: FrameFilter) -> Sequence[FrameRequest]:
    """A page, newest first. Which ones is found out in the indexes alone; then only their rows are read."""
    newest_first = frame_requests.c.number.desc()
    chosen = _chosen(frame_requests.c.number, which).order_by(newest_first).limit(which.limit).offset(which.offset)
    numbers = tx.connection.execute(chosen).scalars().all()
    return _read(tx, _rows().where(frame_requests.c.number.in_(numbers)).order_by(newest_first))


def count(tx: Transaction, which: FrameFilter) -> int:
    """How many match."""
    return int(tx.connection.execute(_chosen(func.count(), which)).scalar_one())


def _chosen(what: ColumnElement[int], which: FrameFilter) -> Select[Any]:
    """Items are asked only where they decide."""
    read_from = _READ_FROM.get(which.state, frame_requests)
    return select(what).select_from(read_from).where(*_conditions(which))


def seconds_per_frame(tx: Transaction, level: str) -> float | None:
    """From the first lease to the end, over the latest at this level; over all levels when there are none."""
    for where in (frame_requests.c.policy_name == level, frame_requests.c.number > 0):
        ended = tx.connection.execute(
            select(frame_requests.c.started_at, frame_requests.c.ended_at, frame_requests.c.total_frames)
            .where(frame_requests.c.ended == FrameState.COMPLETED, where)
            .order_by(frame_requests.c.number.desc())
            .limit(_LATEST)
        ).all()
        frames = sum(int(row.total_frames) for row in ended)
        if frames:
            return float(sum((row.ended_at - row.started_at).total_seconds() for row in ended)) / frames
    return None


def figures(tx: Transaction, asset_id: str | None) -> FrameFigures:
    """Counts by state, mean time, bytes, tokens and workers."""
    of_video = [] if asset_id is None else [frame_requests.c.asset_id == asset_id]
    added = (func.count(), func.sum(frame_requests.c.total_frames), func.sum(frame_requests.c.archive_bytes))
    ended = frame_requests.c.ended
    rows = tx.connection.execute(select(ended, *added).where(ended.is_not(None), *of_video).group_by(ended)).all()
    return FrameFigures(
        by_state=_open_by_state(tx, of_video) | {state: int(number) for state, number, _, _ in rows},
        frames_written=next((int(frames) for state, _, frames, _ in rows if state is FrameState.COMPLETED), 0),
        mean_seconds=_mean_seconds(tx, [ended == FrameState.COMPLETED, *of_video]),
        stored_bytes=sum(int(stored or 0) for _, _, _, stored in rows),
        live_tokens=_live_tokens(tx),
        workers=_workers(tx),
    )


def pulse(tx: Transaction) -> FramePulse:
    """Nothing of it goes through all requests: what is kept is added up from an index of its own."""
    kept = frame_requests.c.archive_bytes
    return FramePulse(
        pending=_open_by_state(tx, [])[FrameState.PENDING],
        mean_seconds=_mean_seconds(tx, [frame_requests.c.ended == FrameState.COMPLETED]),
        stored_bytes=int(tx.connection.execute(select(func.sum(kept)).where(kept.is_not(None))).scalar_one() or 0),
        workers=_workers(tx),
    )


def _open_by_state(tx: Transaction, of_video: list[ColumnElement[bool]]) -> dict[FrameState, int]:
    """What has not ended, and nothing of the other states."""
    not_ended = select(func.count()).select_from(frame_requests).where(frame_requests.c.ended.is_(None), *of_video)
    running = select(func.count()).select_from(_RUNNING).where(*_in_state(FrameState.PROCESSING), *of_video)
    processing = int(tx.connection.execute(running).scalar_one())
    pending = int(tx.connection.execute(not_ended).scalar_one()) - processing
    by_state = dict.fromkeys(FrameState, 0)
    return by_state | {FrameState.PENDING: pending, FrameState.PROCESSING: processing}


def _mean_seconds(tx: Transaction, done: list[ColumnElement[bool]]) -> float | None:
    rows = tx.connection.execute(
        select(frame_requests.c.started_at, frame_requests.c.ended_at)
        .where(*done)
        .order_by(frame_requests.c.number.desc())
        .limit(_LATEST)
    ).all()
    return sum((row.ended_at - row.started_at).total_seconds() for row in rows) / len(rows) if rows else None


def _live_tokens(tx: Transaction) -> int:
    live = (download_tokens.c.used_at.is_(None), download_tokens.c.expires_at > tx.now)
    return int(tx.connection.execute(select(func.count()).select_from(download_tokens).where(*live)).scalar_one())


def _workers(tx: Transaction) -> int:
    query = select(func.sum(frame_workers.c.slots)).where(frame_workers.c.seen_at > tx.now - _HERE)
    return int(tx.connection.execute(query).scalar_one() or 0)


def _rows() -> Select[Any]:
    return select(frame_requests, work_items.c.state.label("item_state"), work_items.c.progress).select_from(_JOINED)


def _in_state(state: FrameState) -> list[ColumnElement[bool]]:
    """What has ended says so itself; what has not is as its item is."""
    if state not in OPEN_STATES:
        return [frame_requests.c.ended == state]
    is_waiting = not_(func.coalesce(_IS_LEASED, false()))
    return [frame_requests.c.ended.is_(None), _IS_LEASED if state is FrameState.PROCESSING else is_waiting]


def _conditions(which: FrameFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if which.owner is not None:
        conditions.append(frame_requests.c.owner == which.owner)
    if which.asset_id is not None:
        conditions.append(frame_requests.c.asset_id == which.asset_id)
    if which.state is not None:
        conditions += _in_state(which.state)
    return conditions


def _read(tx: Transaction, query: Select[Any]) -> list[FrameRequest]:
    rows = tx.connection.execute(query).all()
    chosen: dict[int, list[ChosenSegment]] = defaultdict(list)
    segments = select(frame_segments).where(frame_segments.c.number.in_([row.number for row in rows]))
    for one_row in tx.connection.execute(segments.order_by(frame_segments.c.segment_id)):
        span = FrameSpan(one_row.start_frame, one_row.end_frame)
        chosen[one_row.number].append(ChosenSegment(one_row.segment_id, span))
    return [_request_of(row, tuple(chosen[row.number])) for row in rows]


def _request_of(row: Row[Any], segments: tuple[ChosenSegment, ...]) -> FrameRequest:
    has_archive, is_leased = row.archive_name is not None, row.item_state is WorkState.LEASED
    return FrameRequest(
        number=row.number,
        request_id=row.request_id,
        owner=row.owner,
        asset_id=row.asset_id,
        policy=policy_of(row),
        picture_format=row.picture_format,
        segments=segments,
        state=row.ended or STATE_OF_WORK[row.item_state or WorkState.QUEUED],
        reason=row.reason,
        total_frames=row.total_frames,
        share_done=row.progress if is_leased else 0.0,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        archive=FrameArchive(row.archive_name, row.archive_sha256, row.archive_bytes) if has_archive else None,
    )
