"""How rows become words of the domain."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from opendrape.domain.audit import AuditEvent
from opendrape.domain.policy import PolicyRef
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Artefact, Asset, Chunk, WorkItem
from opendrape.ports.catalogue import OutboxRing


def policy_of(row: Row[Any]) -> PolicyRef:
    """The policy an asset or item carries."""
    return PolicyRef(name=row.policy_name, digest=row.policy_digest)


def asset_of(row: Row[Any]) -> Asset:
    """A row of ``assets``."""
    return Asset(
        asset_id=row.asset_id,
        subject_id=row.subject_id,
        content_sha256=row.content_sha256,
        size_bytes=row.size_bytes,
        state=row.state,
        reason=row.reason,
        policy=policy_of(row),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def item_of(row: Row[Any]) -> WorkItem:
    """A row of ``work_items``."""
    return WorkItem(
        item_id=row.item_id,
        asset_id=row.asset_id,
        kind=row.kind,
        chunk=row.chunk,
        policy=policy_of(row),
        state=row.state,
        attempts=row.attempts,
        lease_epoch=row.lease_epoch,
        owner=row.owner,
        lease_until=row.lease_until,
        due_at=row.due_at,
        progress=row.progress,
        reason=row.reason,
    )


def chunk_of(row: Row[Any]) -> Chunk:
    """A row of ``chunks``."""
    return Chunk(index=row.chunk, span=FrameSpan(row.start_frame, row.end_frame))


def artefact_of(row: Row[Any]) -> Artefact:
    """A row of ``artefacts``."""
    return Artefact(kind=row.kind, name=row.name, sha256=row.sha256, size_bytes=row.size_bytes, chunk=row.chunk)


def event_of(row: Row[Any]) -> AuditEvent:
    """A row of ``audit_events``."""
    return AuditEvent(actor=row.actor, action=row.action, object_id=row.object_id, at=row.at, facts=dict(row.facts))


def ring_of(row: Row[Any]) -> OutboxRing:
    """A row of ``outbox``."""
    return OutboxRing(ring_id=row.ring_id, kind=row.kind, item_id=row.item_id)
