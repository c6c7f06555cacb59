"""What the catalogue knows: pages of assets, plans, items, artefacts, reports, rings and events."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ScalarSelect, select

from opendrape.adapters.sql import tables
from opendrape.adapters.sql.rows import artefact_of, asset_of, chunk_of, event_of, item_of, ring_of
from opendrape.adapters.sql.tables import ANY_POLICY, WHOLE
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.audit import AuditEvent
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.regions import MaskReport
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, Asset, Chunk, ChunkMasked, WorkItem, WorkKind
from opendrape.errors import NotFound
from opendrape.ports.catalogue import AssetFilter, OutboxRing


def asset(tx: Transaction, asset_id: str) -> Asset:
    """One asset; ``NotFound`` when unknown."""
    row = tx.connection.execute(select(tables.assets).where(tables.assets.c.asset_id == asset_id)).one_or_none()
    if row is None:
        raise NotFound("no such asset")
    return asset_of(row)


def assets(tx: Transaction, which: AssetFilter) -> Sequence[Asset]:
    """A page in id order, after the last id of the page before."""
    query = select(tables.assets).order_by(tables.assets.c.asset_id).limit(which.limit)
    if which.state is not None:
        query = query.where(tables.assets.c.state == which.state)
    if which.after is not None:
        query = query.where(tables.assets.c.asset_id > which.after)
    return [asset_of(row) for row in tx.connection.execute(query)]


def media_info(tx: Transaction, asset_id: str) -> MediaInfo | None:
    """What the probe said."""
    query = select(tables.media_info.c.body).where(tables.media_info.c.asset_id == asset_id)
    body = tx.connection.execute(query).scalar_one_or_none()
    return None if body is None else MediaInfo.model_validate(body)


def chunks(tx: Transaction, asset_id: str) -> Sequence[Chunk]:
    """The plan under the asset's present policy."""
    query = (
        select(tables.chunks)
        .where(tables.chunks.c.asset_id == asset_id, tables.chunks.c.policy_digest == _present_policy(asset_id))
        .order_by(tables.chunks.c.chunk)
    )
    return [chunk_of(row) for row in tx.connection.execute(query)]


def work_items(tx: Transaction, asset_id: str) -> Sequence[WorkItem]:
    """Every item of the journey under the asset's present policy; requests for frames are no part of it."""
    items = tables.work_items
    query = (
        select(items)
        .where(items.c.asset_id == asset_id, items.c.policy_digest == _present_policy(asset_id))
        .where(items.c.kind != WorkKind.FRAMES)
        .order_by(items.c.item_id)
    )
    return [item_of(row) for row in tx.connection.execute(query)]


def item(tx: Transaction, item_id: int) -> WorkItem:
    """One item; ``NotFound`` when unknown."""
    items = tables.work_items
    row = tx.connection.execute(select(items).where(items.c.item_id == item_id)).one_or_none()
    if row is None:
        raise NotFound("no such item")
    return item_of(row)


def artefacts(tx: Transaction, asset_id: str, policy_digest: str, kind: ArtefactKind) -> Sequence[Artefact]:
    """Stored results of one kind."""
    stored = tables.artefacts
    digest = ANY_POLICY if kind is ArtefactKind.TIMELINE else policy_digest
    query = (
        select(stored)
        .where(stored.c.asset_id == asset_id, stored.c.policy_digest == digest, stored.c.kind == kind)
        .order_by(stored.c.chunk)
    )
    return [artefact_of(row) for row in tx.connection.execute(query)]


def assembled(tx: Transaction, asset_id: str, policy_digest: str) -> Assembled | None:
    """The outcome of assembling."""
    found = _outcomes(tx, asset_id, policy_digest, whole=True)
    return Assembled.model_validate(found[0]) if found else None


def chunk_reports(tx: Transaction, asset_id: str, policy_digest: str) -> Sequence[MaskReport]:
    """The reports of finished chunks."""
    return [ChunkMasked.model_validate(body).report for body in _outcomes(tx, asset_id, policy_digest, whole=False)]


def rings(tx: Transaction, limit: int) -> Sequence[OutboxRing]:
    """Rings that are due, oldest first."""
    query = select(tables.outbox).where(tables.outbox.c.due_at <= tx.now).order_by(tables.outbox.c.ring_id).limit(limit)
    return [ring_of(row) for row in tx.connection.execute(query)]


def events(tx: Transaction, object_id: str | None) -> Sequence[AuditEvent]:
    """Audit events in the order they happened."""
    query = select(tables.audit_events).order_by(tables.audit_events.c.event_id)
    if object_id is not None:
        query = query.where(tables.audit_events.c.object_id == object_id)
    return [event_of(row) for row in tx.connection.execute(query)]


def _present_policy(asset_id: str) -> ScalarSelect[str]:
    return select(tables.assets.c.policy_digest).where(tables.assets.c.asset_id == asset_id).scalar_subquery()


def _outcomes(tx: Transaction, asset_id: str, policy_digest: str, *, whole: bool) -> Sequence[object]:
    stored = tables.reports
    place = stored.c.chunk == WHOLE if whole else stored.c.chunk != WHOLE
    query = (
        select(stored.c.outcome)
        .where(stored.c.asset_id == asset_id, stored.c.policy_digest == policy_digest, place)
        .order_by(stored.c.chunk)
    )
    return tx.connection.execute(query).scalars().all()
