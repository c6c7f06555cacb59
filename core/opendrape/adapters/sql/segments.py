"""Where marked segments and the videos' numbers are kept in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from opendrape.adapters.sql import assets
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.frame_tables import video_numbers
from opendrape.adapters.sql.tables import segments
from opendrape.adapters.sql.transaction import Transaction, Transactions
from opendrape.domain.frames import Segment
from opendrape.domain.states import ANY_STATE, AssetState
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import RetryRule
from opendrape.errors import CatalogueUnavailable, NotFound
from opendrape.ports.clock import Clock
from opendrape.ports.segments import Segments


class SqlSegments(Segments):
    """See :class:`opendrape.ports.segments.Segments`."""

    def __init__(self, database: Database, *, clock: Clock, retry: RetryRule) -> None:
        self._in = Transactions(database, clock, retry)

    def add(
        self, asset_id: str, *, label: str, span: FrameSpan, actor: str, while_in: Collection[AssetState] = ANY_STATE
    ) -> Segment:
        # two first segments at once: the unique number of the asset makes one of them start over
        with suppress(CatalogueUnavailable):
            return self._add(asset_id, label, span, actor, while_in=while_in)
        return self._add(asset_id, label, span, actor, while_in=while_in)

    def change(
        self, segment_id: int, *, label: str, span: FrameSpan, actor: str, while_in: Collection[AssetState] = ANY_STATE
    ) -> Segment:
        with self._in.writing() as tx:
            _hold_asset_of(tx, segment_id, while_in)
            row = tx.connection.execute(
                update(segments)
                .where(segments.c.segment_id == segment_id)
                .values(label=label, start_frame=span.start, end_frame=span.end)
                .returning(*segments.c)
            ).one_or_none()
            if row is None:
                raise NotFound
            _record(tx, actor, "changed", segment_of(row))
            return segment_of(row)

    def remove(self, segment_id: int, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> None:
        with self._in.writing() as tx:
            _hold_asset_of(tx, segment_id, while_in)
            row = tx.connection.execute(
                delete(segments).where(segments.c.segment_id == segment_id).returning(*segments.c)
            ).one_or_none()
            if row is None:
                raise NotFound
            _record(tx, actor, "removed", segment_of(row))

    def segment(self, segment_id: int) -> Segment:
        with self._in.reading() as tx:
            row = tx.connection.execute(select(segments).where(segments.c.segment_id == segment_id)).one_or_none()
        if row is None:
            raise NotFound
        return segment_of(row)

    def of_asset(self, asset_id: str) -> Sequence[Segment]:
        query = select(segments).where(segments.c.asset_id == asset_id)
        with self._in.reading() as tx:
            rows = tx.connection.execute(query.order_by(segments.c.start_frame, segments.c.segment_id)).all()
        return [segment_of(row) for row in rows]

    def number_of(self, asset_id: str) -> int | None:
        with self._in.reading() as tx:
            return _number_of(tx, asset_id)

    def asset_numbered(self, number: int) -> str | None:
        query = select(video_numbers.c.asset_id).where(video_numbers.c.number == number)
        with self._in.reading() as tx:
            found: str | None = tx.connection.execute(query).scalar_one_or_none()
        return found

    def _add(
        self, asset_id: str, label: str, span: FrameSpan, actor: str, *, while_in: Collection[AssetState]
    ) -> Segment:
        with self._in.writing() as tx:
            assets.must_be(tx, asset_id, while_in)
            if _number_of(tx, asset_id) is None:
                tx.connection.execute(insert(video_numbers).values(asset_id=asset_id))
            row = tx.connection.execute(
                insert(segments)
                .values(asset_id=asset_id, label=label, start_frame=span.start, end_frame=span.end)
                .returning(*segments.c)
            ).one()
            _record(tx, actor, "added", segment_of(row))
            return segment_of(row)


def segment_of(row: Row[Any]) -> Segment:
    """A row of ``segments``."""
    return Segment(row.segment_id, row.asset_id, row.label, FrameSpan(row.start_frame, row.end_frame))


def _hold_asset_of(tx: Transaction, segment_id: int, states: Collection[AssetState]) -> None:
    query = select(segments.c.asset_id).where(segments.c.segment_id == segment_id)
    asset_id = tx.connection.execute(query).scalar_one_or_none()
    if asset_id is None:
        raise NotFound
    assets.must_be(tx, asset_id, states)


def _number_of(tx: Transaction, asset_id: str) -> int | None:
    query = select(video_numbers.c.number).where(video_numbers.c.asset_id == asset_id)
    found: int | None = tx.connection.execute(query).scalar_one_or_none()
    return found


def _record(tx: Transaction, actor: str, act: str, segment: Segment) -> None:
    # the label is a person's own word: it stays out of the audit
    span = segment.span
    tx.record(actor, f"segment.{act}", segment.asset_id, segment=segment.segment_id, start=span.start, end=span.end)
