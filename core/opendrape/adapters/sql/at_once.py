"""How PostgreSQL does in one statement what every worker does all the time: claim an item, complete a chunk."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.policy import PolicyRef
from opendrape.domain.work import ChunkMasked, Lease, RetryRule, WorkKind

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

COMPLETE_CHUNK: Final = """
SELECT opendrape_complete_chunk(
    %(space)s::integer, %(now)s, %(owner)s, %(asset_id)s, %(item_id)s, %(epoch)s,
    %(name)s, %(sha256)s, %(size_bytes)s, %(outcome)s::jsonb)
"""
"""The function, and why it locks as it does, stands in migration 0006."""

ALONE: Final = "SELECT pg_advisory_xact_lock(%(space)s, hashtext(%(asset_id)s))"

_LAST_CHUNK_SPACE: Final = 0x0DD_4A9F


class Verdict(StrEnum):
    """What became of a chunk that was to be completed; nothing was stored unless it is ``done``."""

    DONE = "done"
    AGAIN = "again"
    STALE = "stale"


def claim(
    database: Database, now: datetime, rule: RetryRule, kinds: Collection[WorkKind], *, owner: str, lease_seconds: float
) -> Lease | None:
    """Hand out the oldest due item of these kinds that nobody else is being given."""
    values = {
        "kinds": [kind.value for kind in kinds],
        "now": now,
        "until": now + timedelta(seconds=lease_seconds),
        "max_attempts": rule.max_attempts,
        "owner": owner,
    }
    row = database.at_once(CLAIM, values)
    if row is None:
        return None
    item_id, asset_id, kind, chunk, policy_name, policy_digest, epoch, attempts = row
    return Lease(
        item_id=item_id,
        asset_id=asset_id,
        kind=WorkKind(kind),
        chunk=chunk,
        policy=PolicyRef(name=policy_name, digest=policy_digest),
        epoch=epoch,
        attempts=attempts,
        owner=owner,
    )


def complete_chunk(database: Database, now: datetime, lease: Lease, masked: ChunkMasked) -> Verdict:
    """End the item well, keep its result, and queue assembling after the asset's last chunk."""
    values = {
        "asset_id": lease.asset_id,
        "item_id": lease.item_id,
        "epoch": lease.epoch,
        "owner": lease.owner,
        "now": now,
        "name": masked.artefact.name,
        "sha256": masked.artefact.sha256,
        "size_bytes": masked.artefact.size_bytes,
        "outcome": masked.model_dump_json(),
        "space": _LAST_CHUNK_SPACE,
    }
    (verdict,) = database.at_once(COMPLETE_CHUNK, values) or (Verdict.STALE,)
    return Verdict(verdict)


def alone_at_last_chunk(tx: Transaction, asset_id: str) -> None:
    """Wait until no other chunk of the asset is being completed, and keep it so to the end of the transaction."""
    tx.connection.exec_driver_sql(ALONE, {"space": _LAST_CHUNK_SPACE, "asset_id": asset_id})
