"""How many videos are shown with few questions: a keyset page, what all of it stands at, one video's events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, select

from opendrape.adapters.sql import tables
from opendrape.adapters.sql.rows import asset_of, chunk_of, item_of
from opendrape.adapters.sql.store import SqlStore
from opendrape.adapters.sql.tables import assets, audit_events
from opendrape.adapters.sql.transaction import Transaction
from opendrape.adapters.sql.upload_tables import asset_owners
from opendrape.domain.work import ArtefactKind, Asset, Chunk, WorkItem
from opendrape.ports.video_shelf import Standing, VideoEvent, VideoFilter, VideoShelf


class SqlVideoShelf(SqlStore, VideoShelf):
    """See the port."""

    def page(self, which: VideoFilter) -> Sequence[Asset]:
        """One walk per state, each through an index in id order; merged here."""
        states = which.states or (None,)
        with self._reading() as tx:
            found = [asset_of(row) for state in states for row in tx.connection.execute(_page(which, state))]
        return sorted(found, key=lambda asset: asset.asset_id)[: which.limit]

    def standings(self, assets: Collection[Asset]) -> Mapping[str, Standing]:
        ids = tuple(asset.asset_id for asset in assets)
        with self._reading() as tx:
            items = _items(tx, ids)
            chunks = _chunks(tx, ids)
            stored = _stored(tx, ids)
        return {one: Standing(items[one], chunks[one], frozenset(stored[one])) for one in ids}

    def events(self, asset_id: str, *, after: int, limit: int) -> Sequence[VideoEvent]:
        query = (
            select(audit_events)
            .where(audit_events.c.object_id == asset_id, audit_events.c.event_id > after)
            .where(audit_events.c.action.like("asset.%"))
            .order_by(audit_events.c.event_id)
            .limit(limit)
        )
        with self._reading() as tx:
            rows = tx.connection.execute(query).all()
        return [VideoEvent(row.event_id, row.at, row.action, _text(row.facts.get("reason"))) for row in rows]


def _page(which: VideoFilter, state: Any) -> Select[Any]:
    query = select(assets).limit(which.limit)
    key = assets.c.asset_id
    if which.owner is not None:
        # ordered by the owner's index, so that a page costs a page
        query = query.join(asset_owners, asset_owners.c.asset_id == assets.c.asset_id)
        query, key = query.where(asset_owners.c.owner == which.owner), asset_owners.c.asset_id
    if state is not None:
        query = query.where(assets.c.state == state)
    if which.subject_id is not None:
        query = query.where(assets.c.subject_id == which.subject_id)
    if which.after is not None:
        query = query.where(key > which.after)
    return query.order_by(key)


def _of_present_policy(table: Any, ids: tuple[str, ...]) -> Select[Any]:
    same = and_(assets.c.asset_id == table.c.asset_id, assets.c.policy_digest == table.c.policy_digest)
    return select(table).join(assets, same).where(table.c.asset_id.in_(ids))


def _items(tx: Transaction, ids: tuple[str, ...]) -> Mapping[str, list[WorkItem]]:
    found: dict[str, list[WorkItem]] = defaultdict(list)
    for row in tx.connection.execute(_of_present_policy(tables.work_items, ids).order_by(tables.work_items.c.item_id)):
        found[row.asset_id].append(item_of(row))
    return found


def _chunks(tx: Transaction, ids: tuple[str, ...]) -> Mapping[str, list[Chunk]]:
    found: dict[str, list[Chunk]] = defaultdict(list)
    for row in tx.connection.execute(_of_present_policy(tables.chunks, ids).order_by(tables.chunks.c.chunk)):
        found[row.asset_id].append(chunk_of(row))
    return found


def _stored(tx: Transaction, ids: tuple[str, ...]) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    query = _of_present_policy(tables.artefacts, ids).where(tables.artefacts.c.kind == ArtefactKind.CHUNK)
    for row in tx.connection.execute(query):
        found[row.asset_id].add(row.chunk)
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)
