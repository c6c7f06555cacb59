"""Where requests for frames are kept in SQL; indexes of the database decide who wins a race."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, or_, select, update

from opendrape.adapters.sql import frame_reading, frame_work, items
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.frame_tables import download_tokens, frame_requests, frame_segments, frame_workers
from opendrape.adapters.sql.tables import work_items
from opendrape.adapters.sql.transaction import Transaction, Transactions
from opendrape.domain.frames import OPEN, FrameArchive, FrameFigures, FramePulse, FrameRequest, FrameState, NewFrames
from opendrape.domain.states import WorkState
from opendrape.domain.work import RetryRule, WorkKind
from opendrape.errors import CatalogueUnavailable, IllegalTransition, LimitReached, LinkExpired, NotFound
from opendrape.ports.clock import Clock
from opendrape.ports.frames import FrameFilter, FrameRequests

_TRIES = 20
"""How often a start is repeated that met another one of the same owner: each time somebody else got further."""

_GONE_AFTER = timedelta(days=1)


class SqlFrameRequests(FrameRequests):
    """See :class:`opendrape.ports.frames.FrameRequests`. Threads may share one."""

    def __init__(self, database: Database, *, clock: Clock, retry: RetryRule) -> None:
        self._in = Transactions(database, clock, retry)

    # -- requests ---------------------------------------------------------------------------------------------------
    def start(self, new: NewFrames, *, limit: int, actor: str) -> FrameRequest:
        for _ in range(_TRIES - 1):
            try:
                return self._start(new, limit, actor)
            except CatalogueUnavailable as error:
                if error.reason != "catalogue_conflict":
                    raise
        return self._start(new, limit, actor)

    def request(self, request_id: str) -> FrameRequest:
        with self._in.reading() as tx:
            return frame_reading.one(tx, frame_requests.c.request_id == request_id)

    def of_item(self, number: int) -> FrameRequest:
        with self._in.reading() as tx:
            return frame_reading.one(tx, frame_requests.c.number == number)

    def requests(self, which: FrameFilter = FrameFilter()) -> Sequence[FrameRequest]:
        with self._in.reading() as tx:
            return frame_reading.page(tx, which)

    def count(self, which: FrameFilter = FrameFilter()) -> int:
        with self._in.reading() as tx:
            return frame_reading.count(tx, which)

    def cancel(self, request_id: str, *, actor: str) -> FrameRequest:
        with self._in.writing() as tx:
            found = frame_reading.one(tx, frame_requests.c.request_id == request_id)
            if found.state not in OPEN:
                raise IllegalTransition(f"frames: cancel from {found.state}")
            row = tx.connection.execute(
                select(work_items).where(
                    work_items.c.kind == WorkKind.FRAMES,
                    work_items.c.chunk == found.number,
                    work_items.c.state.in_(items.OPEN_STATES),
                )
            ).one()
            if not items.move(tx, row, WorkState.CANCELLED, actor=actor, reason="cancelled"):
                raise CatalogueUnavailable(reason="catalogue_conflict")
            frame_work.end(tx, found.number, FrameState.CANCELLED, actor=actor, reason="cancelled")
            return frame_reading.one(tx, frame_requests.c.number == found.number)

    # -- download tokens --------------------------------------------------------------------------------------------
    def add_token(self, request_id: str, token_sha256: str, *, expires_at: datetime, actor: str) -> None:
        with self._in.writing() as tx:
            found = frame_reading.one(tx, frame_requests.c.request_id == request_id)
            tx.connection.execute(
                insert(download_tokens).values(
                    token_sha256=token_sha256, number=found.number, created_at=tx.now, expires_at=expires_at
                )
            )
            tx.record(actor, "frames.token_made", request_id)

    def redeem(self, request_id: str, token_sha256: str, *, actor: str) -> FrameRequest:
        with self._in.writing() as tx:
            found = frame_reading.one(tx, frame_requests.c.request_id == request_id)
            mine = (download_tokens.c.token_sha256 == token_sha256, download_tokens.c.number == found.number)
            used = tx.connection.execute(
                update(download_tokens)
                .where(*mine, download_tokens.c.used_at.is_(None), download_tokens.c.expires_at > tx.now)
                .values(used_at=tx.now)
            )
            if used.rowcount == 1:
                tx.record(actor, "frames.downloaded", request_id)
                return found
            known = tx.connection.execute(select(download_tokens.c.number).where(*mine)).one_or_none()
        raise NotFound if known is None else LinkExpired

    # -- clean-up ---------------------------------------------------------------------------------------------------
    def expire_tokens(self) -> int:
        # kept a day longer than they are good for, so that who comes late is told why
        with self._in.writing() as tx:
            long_ago = tx.now - _GONE_AFTER
            gone = or_(download_tokens.c.expires_at <= long_ago, download_tokens.c.used_at <= long_ago)
            removed: int = tx.connection.execute(delete(download_tokens).where(gone)).rowcount
        return removed

    def expire_archives(self, *, before: datetime, actor: str) -> Sequence[FrameArchive]:
        with self._in.writing() as tx:
            rows = tx.connection.execute(
                select(frame_requests)
                .where(frame_requests.c.archive_name.is_not(None), frame_requests.c.ended_at <= before)
                .order_by(frame_requests.c.number)
                .with_for_update()
            ).all()
            for row in rows:
                nothing = {"archive_name": None, "archive_sha256": None, "archive_bytes": None}
                tx.connection.execute(
                    update(frame_requests).where(frame_requests.c.number == row.number).values(nothing)
                )
                tx.record(actor, "frames.expired", row.request_id)
        return [FrameArchive(row.archive_name, row.archive_sha256, row.archive_bytes) for row in rows]

    def is_wanted(self, blob_name: str) -> bool:
        request_id = blob_name.rpartition("/")[2][: frame_reading.REQUEST_ID_LENGTH]
        wanted = or_(
            frame_requests.c.archive_name == blob_name,
            (frame_requests.c.request_id == request_id) & frame_requests.c.ended.is_(None),
        )
        with self._in.reading() as tx:
            found = tx.connection.execute(select(func.count()).select_from(frame_requests).where(wanted)).scalar_one()
        return bool(found)

    # -- figures ----------------------------------------------------------------------------------------------------
    def seconds_per_frame(self, level: str) -> float | None:
        with self._in.reading() as tx:
            return frame_reading.seconds_per_frame(tx, level)

    def pulse(self) -> FramePulse:
        with self._in.reading() as tx:
            return frame_reading.pulse(tx)

    def figures(self, asset_id: str | None = None) -> FrameFigures:
        with self._in.reading() as tx:
            return frame_reading.figures(tx, asset_id)

    def here(self, worker: str, *, slots: int) -> None:
        with self._in.writing() as tx:
            known = frame_workers.c.worker == worker
            tx.connection.execute(
                delete(frame_workers).where(or_(known, frame_workers.c.seen_at < tx.now - _GONE_AFTER))
            )
            tx.connection.execute(insert(frame_workers).values(worker=worker, slots=slots, seen_at=tx.now))

    def _start(self, new: NewFrames, limit: int, actor: str) -> FrameRequest:
        with self._in.writing() as tx:
            slot = _free_slot(tx, new, limit)
            number = _insert(tx, new, slot)
            tx.record(actor, "frames.started", new.request_id, policy=new.policy.label, frames=new.total_frames)
            items.enqueue_all(tx, new.asset_id, new.policy, WorkKind.FRAMES, [number], actor=actor)
            return frame_reading.one(tx, frame_requests.c.number == number)


def _free_slot(tx: Transaction, new: NewFrames, limit: int) -> int:
    not_ended = frame_requests.c.ended.is_(None)
    same = select(frame_requests.c.number).where(frame_requests.c.work_key == new.work_key, not_ended)
    if tx.connection.execute(same).one_or_none() is not None:
        raise IllegalTransition("the same frames are on their way", reason="same_work")
    mine = select(frame_requests.c.slot).where(frame_requests.c.owner == new.owner, not_ended)
    taken = set(tx.connection.execute(mine).scalars())
    free = next((slot for slot in range(1, limit + 1) if slot not in taken), None)
    if free is None or len(taken) >= limit:
        raise LimitReached
    return free


def _insert(tx: Transaction, new: NewFrames, slot: int) -> int:
    added = tx.connection.execute(
        insert(frame_requests)
        .values(
            request_id=new.request_id,
            owner=new.owner,
            slot=slot,
            work_key=new.work_key,
            asset_id=new.asset_id,
            policy_name=new.policy.name,
            policy_digest=new.policy.digest,
            picture_format=new.picture_format,
            total_frames=new.total_frames,
            created_at=tx.now,
        )
        .returning(frame_requests.c.number)
    )
    number: int = added.scalar_one()
    rows = [
        {"number": number, "segment_id": one.segment_id, "start_frame": one.span.start, "end_frame": one.span.end}
        for one in new.segments
    ]
    tx.connection.execute(insert(frame_segments), rows)
    return number
