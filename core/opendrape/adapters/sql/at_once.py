"""How PostgreSQL does in one statement what every worker does all the time: claim an item, complete a chunk."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.policy import PolicyRef
from opendrape.domain.work import ChunkMasked, Lease, WorkKind
from opendrape.errors import StaleLease

CLAIM: Final = """
WITH picked AS (
    SELECT item_id FROM work_items
    WHERE state = 'queued' AND kind = ANY(%(kinds)s) AND due_at <= %(now)s AND attempts < %(max_attempts)s
    ORDER BY due_at, item_id LIMIT 1
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE work_items AS item
    SET state = 'leased', lease_epoch = item.lease_epoch + 1, attempts = item.attempts + 1,
        owner = %(owner)s, lease_until = %(until)s, progress = 0
    WHERE item.item_id = (SELECT item_id FROM picked)
    RETURNING item.*
), told AS (
    INSERT INTO audit_events (at, actor, action, object_id, facts)
    SELECT %(now)s, %(owner)s, 'work.leased', asset_id, jsonb_build_object(
        'item', item_id, 'kind', kind, 'chunk', chunk, 'epoch', lease_epoch, 'attempts', attempts)
    FROM leased
)
SELECT item_id, asset_id, kind, chunk, policy_name, policy_digest, lease_epoch, attempts FROM leased
"""
"""The index ``ix_work_items_due`` gives the order; rows that another claim holds are skipped, never waited for."""

# The asset is held first, so that nobody cancels or plans meanwhile; workers on other chunks hold it too.
#
# Who queues assembling? While chunks wait, nobody has to: workers share the asset's advisory lock. Once none waits, a
# worker takes it alone, so that it sees what every sharer has stored. A sharer that finds, the lock in hand, that none
# waits any longer gives up and begins again (two that wanted more of a shared lock would block each other).
COMPLETE_CHUNK: Final = """
WITH held AS (
    SELECT asset_id FROM assets WHERE asset_id = %(asset_id)s FOR KEY SHARE
), ended AS (
    UPDATE work_items AS item SET state = 'done', owner = NULL, lease_until = NULL, reason = NULL, progress = 1
    FROM held
    WHERE item.item_id = %(item_id)s AND item.lease_epoch = %(epoch)s AND item.state = 'leased'
    RETURNING item.item_id, item.asset_id, item.kind, item.chunk, item.policy_digest, item.lease_epoch
), told AS (
    INSERT INTO audit_events (at, actor, action, object_id, facts)
    SELECT %(now)s, %(owner)s, 'work.done', asset_id,
        jsonb_build_object('item', item_id, 'kind', kind, 'chunk', chunk, 'epoch', lease_epoch)
    FROM ended
), stored AS (
    INSERT INTO artefacts (asset_id, policy_digest, kind, chunk, name, sha256, size_bytes, created_at)
    SELECT asset_id, policy_digest, 'chunk', chunk, %(name)s, %(sha256)s, %(size_bytes)s, %(now)s FROM ended
    ON CONFLICT (asset_id, policy_digest, kind, chunk) DO UPDATE
    SET name = excluded.name, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
        created_at = excluded.created_at
), reported AS (
    INSERT INTO reports (asset_id, policy_digest, chunk, outcome, created_at)
    SELECT asset_id, policy_digest, chunk, %(outcome)s::jsonb, %(now)s FROM ended
    ON CONFLICT (asset_id, policy_digest, chunk) DO UPDATE
    SET outcome = excluded.outcome, created_at = excluded.created_at
)
SELECT CASE WHEN EXISTS (SELECT 1 FROM work_items WHERE asset_id = %(asset_id)s AND kind = 'mask' AND state = 'queued')
    THEN pg_advisory_xact_lock_shared(%(space)s, hashtext(asset_id))::text || 'shared'
    ELSE pg_advisory_xact_lock(%(space)s, hashtext(asset_id))::text || 'alone' END AS hold
FROM ended
"""

OPEN_CHUNKS: Final = """
SELECT
    EXISTS (SELECT 1 FROM work_items WHERE asset_id = %(asset_id)s AND kind = 'mask' AND state = 'queued') AS waiting,
    EXISTS (SELECT 1 FROM work_items WHERE asset_id = %(asset_id)s AND kind = 'mask'
        AND state IN ('queued', 'leased')) AS any
"""

_LAST_CHUNK_SPACE: Final = 0x0DD_4A9F


class NobodyWaits(Exception):
    """Nothing was stored; the same call, made again, finds out whether it was the last chunk."""


def claim(tx: Transaction, kinds: Collection[WorkKind], *, owner: str, lease_seconds: float) -> Lease | None:
    """Hand out the oldest due item of these kinds that nobody else is being given."""
    values = {
        "kinds": [kind.value for kind in kinds],
        "now": tx.now,
        "until": tx.now + timedelta(seconds=lease_seconds),
        "max_attempts": tx.retry.max_attempts,
        "owner": owner,
    }
    row = tx.connection.exec_driver_sql(CLAIM, values).one_or_none()
    if row is None:
        return None
    return Lease(
        item_id=row.item_id,
        asset_id=row.asset_id,
        kind=WorkKind(row.kind),
        chunk=row.chunk,
        policy=PolicyRef(name=row.policy_name, digest=row.policy_digest),
        epoch=row.lease_epoch,
        attempts=row.attempts,
        owner=owner,
    )


def complete_chunk(tx: Transaction, lease: Lease, masked: ChunkMasked) -> bool:
    """End the item well and keep its result; True when no chunk of the asset is open any more.

    ``StaleLease``, and nothing is stored, when the lease is old; ``NobodyWaits`` when the call has to be made again.
    """
    values = {
        "asset_id": lease.asset_id,
        "item_id": lease.item_id,
        "epoch": lease.epoch,
        "owner": lease.owner,
        "now": tx.now,
        "name": masked.artefact.name,
        "sha256": masked.artefact.sha256,
        "size_bytes": masked.artefact.size_bytes,
        "outcome": json.dumps(masked.model_dump(mode="json")),
        "space": _LAST_CHUNK_SPACE,
    }
    ended = tx.connection.exec_driver_sql(COMPLETE_CHUNK, values).one_or_none()
    if ended is None:
        raise StaleLease()
    left = tx.connection.exec_driver_sql(OPEN_CHUNKS, {"asset_id": lease.asset_id}).one()
    if ended.hold == "shared" and not left.waiting:
        raise NobodyWaits
    return not left.any
