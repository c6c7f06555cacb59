"""How many videos are shown with few questions: a keyset page, what all of it stands at, one video's events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Row, Select, Table, and_, bindparam, case, func, select, union_all

from opendrape.adapters.sql.rows import asset_of
from opendrape.adapters.sql.store import SqlStore, planned_anew
from opendrape.adapters.sql.tables import artefacts, assets, audit_events, chunks, work_items
from opendrape.adapters.sql.upload_tables import asset_owners
from opendrape.domain.pseudonym import PICTURES_FROM
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import ArtefactKind, Asset, WorkKind
from opendrape.ports.video_shelf import Glance, Standing, VideoEvent, VideoFilter, VideoShelf


class SqlVideoShelf(SqlStore, VideoShelf):
    """See the port."""

    def page(self, which: VideoFilter) -> Sequence[Asset]:
        """One walk per state, each through the states' index in id order; merged here. An owner's or a patient's videos
        are one walk through theirs, whatever the states.
        """
        with self._reading() as tx:
            planned_anew(tx.connection)
            rows = tx.connection.execute(_in_one(list(_walks(which)))).all()
        found = {row.asset_id: asset_of(row) for row in rows}
        return [found[asset_id] for asset_id in sorted(found)][: which.limit]

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:
        query = GLANCE_OF_ANY if owner is None else GLANCE_OF_OWN
        with self._reading() as tx:
            row = tx.connection.execute(query, {"asset_id": asset_id, "owner": owner}).one_or_none()
        return None if row is None else glance_of(row)

    def glances(self, asset_ids: Collection[str]) -> Mapping[str, Glance]:
        query = _GLANCE.where(assets.c.asset_id.in_(tuple(asset_ids)))
        with self._reading() as tx:
            return {row.asset_id: glance_of(row) for row in tx.connection.execute(query)}

    def standings(self, assets: Collection[Asset]) -> Mapping[str, Standing]:
        """Added up by the database: a page of long videos has thousands of pieces."""
        ids = tuple(asset.asset_id for asset in assets)
        with self._reading() as tx:
            frames = {row.asset_id: row for row in tx.connection.execute(_frames(_one_of(ids)))}
            under_way = {row.asset_id: row.frames for row in tx.connection.execute(_under_way(_one_of(ids)))}
            steps = {(row.asset_id, row.kind): row.share for row in tx.connection.execute(_steps(_one_of(ids)))}
        return {one: _standing(one, frames.get(one), under_way.get(one), steps) for one in ids}

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


def _in_one(walks: Sequence[Select[Any]]) -> Select[Any] | CompoundSelect[Any]:
    """Asked together: each keeps its own order, limit and index."""
    return walks[0] if len(walks) == 1 else union_all(*(select(walk.subquery()) for walk in walks))


def _walks(which: VideoFilter) -> Iterator[Select[Any]]:
    is_narrow = which.owner is not None or which.subject_id is not None
    if which.states and not is_narrow:
        yield from (_page(which, (state,)) for state in which.states)
    else:
        yield _page(which, which.states)
    if which.owner is not None:
        anybodys = replace(which, owner=None)
        waiting = [state for state in which.whoever_brought_it if not which.states or state in which.states]
        yield from (_page(anybodys, (state,)) for state in waiting)


# the last entry of the video's part of the index
_GLANCE = select(
    assets,
    select(func.max(audit_events.c.event_id))
    .where(audit_events.c.object_id == assets.c.asset_id)
    .scalar_subquery()
    .label("newest"),
)
# asked every few seconds by whoever waits: put together once
GLANCE_OF_ANY = _GLANCE.where(assets.c.asset_id == bindparam("asset_id"))
GLANCE_OF_OWN = GLANCE_OF_ANY.join(
    asset_owners, and_(asset_owners.c.owner == bindparam("owner"), asset_owners.c.asset_id == assets.c.asset_id)
)


def glance_of(row: Row[Any]) -> Glance:
    """A row of a glance."""
    return Glance(asset_of(row), row.newest or 0)


def _page(which: VideoFilter, states: tuple[AssetState, ...]) -> Select[Any]:
    query = select(assets).limit(which.limit)
    key = assets.c.asset_id
    if which.owner is not None:
        # ordered by the owner's index, so that a page costs a page
        query = query.join(asset_owners, asset_owners.c.asset_id == assets.c.asset_id)
        query, key = query.where(asset_owners.c.owner == which.owner), asset_owners.c.asset_id
    if states:
        query = query.where(assets.c.state.in_(states))
    if which.subject_id is not None:
        query = query.where(assets.c.subject_id == which.subject_id)
    # as a range of the owner's index it would look cheap to SQLite to walk all of an owner's videos for a rare state
    kind = key + "" if which.owner is not None and states and not which.pictures else key
    query = query.where(kind >= PICTURES_FROM if which.pictures else kind < PICTURES_FROM)
    if which.after is not None:
        query = query.where(key > which.after)
    return query.order_by(key)


def _standing(
    asset_id: str, frames: Row[Any] | None, under_way: float | None, steps: Mapping[tuple[str, WorkKind], float]
) -> Standing:
    return Standing(
        frames=int(frames.frames) if frames else 0,
        frames_kept=int(frames.kept) if frames else 0,
        frames_under_way=float(under_way or 0.0),
        planned=1.0 if frames else float(steps.get((asset_id, WorkKind.PLAN), 0.0)),
        assembled=float(steps.get((asset_id, WorkKind.ASSEMBLE), 0.0)),
        delivered=float(steps.get((asset_id, WorkKind.DELIVER), 0.0)),
    )


_LENGTH = chunks.c.end_frame - chunks.c.start_frame
_KEPT = and_(
    artefacts.c.asset_id == chunks.c.asset_id,
    artefacts.c.policy_digest == chunks.c.policy_digest,
    artefacts.c.kind == ArtefactKind.CHUNK,
    artefacts.c.chunk == chunks.c.chunk,
)


_Whose = Callable[[ColumnElement[str]], ColumnElement[bool]]


def _one_of(ids: tuple[str, ...]) -> _Whose:
    return lambda column: column.in_(ids)


def _under_present_policy(table: Table, whose: _Whose) -> ColumnElement[bool]:
    """Joined with its asset, of these assets only."""
    same = and_(assets.c.asset_id == table.c.asset_id, assets.c.policy_digest == table.c.policy_digest)
    return and_(same, whose(table.c.asset_id))


def _frames(whose: _Whose) -> Select[Any]:
    kept = func.sum(case((artefacts.c.chunk.is_not(None), _LENGTH), else_=0)).label("kept")
    return (
        select(chunks.c.asset_id, func.sum(_LENGTH).label("frames"), kept)
        .join(assets, _under_present_policy(chunks, whose))
        .outerjoin(artefacts, _KEPT)
        .group_by(chunks.c.asset_id)
    )


def _under_way(whose: _Whose) -> Select[Any]:
    """Masking that somebody is at: the piece is not kept yet."""
    piece = and_(
        chunks.c.asset_id == work_items.c.asset_id,
        chunks.c.policy_digest == work_items.c.policy_digest,
        chunks.c.chunk == work_items.c.chunk,
    )
    return (
        select(work_items.c.asset_id, func.sum(work_items.c.progress * _LENGTH).label("frames"))
        .join(assets, _under_present_policy(work_items, whose))
        .join(chunks, piece)
        .where(work_items.c.kind == WorkKind.MASK, work_items.c.state == WorkState.LEASED)
        .group_by(work_items.c.asset_id)
    )


def _steps(whose: _Whose) -> Select[Any]:
    """How far the steps of the whole video are; a finished one counts whatever came after."""
    share = func.max(case((work_items.c.state == WorkState.DONE, 1.0), else_=work_items.c.progress)).label("share")
    return (
        select(work_items.c.asset_id, work_items.c.kind, share)
        .join(assets, _under_present_policy(work_items, whose))
        .where(work_items.c.kind.in_((WorkKind.PLAN, WorkKind.ASSEMBLE, WorkKind.DELIVER)))
        .group_by(work_items.c.asset_id, work_items.c.kind)
    )


def _of_asked(column: ColumnElement[str]) -> ColumnElement[bool]:
    return column == bindparam("asset_id", "")


STANDING_OF_ONE = (_frames(_of_asked), _under_way(_of_asked), _steps(_of_asked))
"""What ``standing_of`` is made from, as three questions with the parameter ``asset_id``."""


def standing_of(asset_id: str, frames: Sequence[Any], under_way: Sequence[Any], steps: Sequence[Any]) -> Standing:
    """The rows of the three questions, put together."""
    shares = {(row.asset_id, row.kind): row.share for row in steps}
    return _standing(asset_id, next(iter(frames), None), under_way[0].frames if under_way else None, shares)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
