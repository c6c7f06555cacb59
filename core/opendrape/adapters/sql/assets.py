"""How an asset comes into the catalogue and changes its state."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, insert, select, update

from opendrape.adapters.sql import results
from opendrape.adapters.sql.items import cancel_open, enqueue, has_open
from opendrape.adapters.sql.rows import asset_of
from opendrape.adapters.sql.tables import assets
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import ASSET_TRANSITIONS, AssetState, check_asset_transition
from opendrape.domain.work import RESULTS_IN_DOUBT, Artefact, Asset, WorkKind
from opendrape.errors import IllegalTransition, NotFound
from opendrape.ports.catalogue import NewAsset, Registration

_RETRIED = frozenset({AssetState.FAILED, AssetState.QUARANTINED, AssetState.CANCELLED})


def lock(tx: Transaction, asset_id: str) -> Row[Any]:
    """The asset's row, held to the end. Always taken before its items, so that no two callers block each other."""
    row = tx.connection.execute(select(assets).where(assets.c.asset_id == asset_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("no such asset")
    return row


def move(tx: Transaction, asset_id: str, after: AssetState, *, actor: str, reason: str | None = None) -> None:
    """Change the state if the table of transitions allows it, with its audit event."""
    before = lock(tx, asset_id).state
    check_asset_transition(before, after)
    tx.connection.execute(
        update(assets).where(assets.c.asset_id == asset_id).values(state=after, reason=reason, updated_at=tx.now)
    )
    tx.record(actor, f"asset.{after}", asset_id, before=before, reason=reason)


def must_be(tx: Transaction, asset_id: str, states: Collection[AssetState]) -> None:
    """``IllegalTransition`` unless the asset is in one of the states, and stays there until this transaction ends."""
    if lock(tx, asset_id).state not in states:
        raise IllegalTransition


def register(tx: Transaction, new: NewAsset, *, actor: str, while_in: Collection[AssetState]) -> Registration:
    """New content is accepted; known content only under another policy, and only when its journey is over."""
    known = tx.connection.execute(
        select(assets).where(assets.c.content_sha256 == new.content_sha256).with_for_update()
    ).one_or_none()
    if known is None:
        _insert(tx, new, actor=actor)
    elif known.state not in while_in or not _starts_again(known, new.policy):
        return Registration(asset=asset_of(known), accepted=False)
    else:
        _take_policy(tx, known.asset_id, new.policy)
        move(tx, known.asset_id, AssetState.REGISTERED, actor=actor)
    asset_id = new.asset_id if known is None else known.asset_id
    enqueue(tx, asset_id, new.policy, WorkKind.PLAN, actor=actor)
    return Registration(asset=asset_of(lock(tx, asset_id)), accepted=True)


def retry(tx: Transaction, asset_id: str, *, actor: str) -> Asset:
    """Start a journey that ended badly again, under the same policy."""
    row = lock(tx, asset_id)
    if row.state not in _RETRIED:
        raise IllegalTransition(f"asset: retry from {row.state}")
    if row.reason in RESULTS_IN_DOUBT:
        results.forget_results(tx, asset_id, row.policy_digest)
    move(tx, asset_id, AssetState.REGISTERED, actor=actor)
    enqueue(tx, asset_id, asset_of(row).policy, WorkKind.PLAN, actor=actor)
    return asset_of(lock(tx, asset_id))


def deliver_again(tx: Transaction, asset_id: str, *, actor: str) -> Asset:
    """Take a delivered asset to the last step that its kept results allow."""
    row = lock(tx, asset_id)
    if row.state is not AssetState.DELIVERED:
        raise IllegalTransition(f"asset: deliver again from {row.state}")
    policy = asset_of(row).policy
    has_masked = results.has_masked(tx, asset_id, policy.digest)
    after, kind = (AssetState.DELIVERING, WorkKind.DELIVER) if has_masked else (AssetState.REGISTERED, WorkKind.PLAN)
    tx.record(actor, "delivery.again", asset_id, policy=policy.label)
    move(tx, asset_id, after, actor=actor)
    enqueue(tx, asset_id, policy, kind, actor=actor)
    return asset_of(lock(tx, asset_id))


def forget_results(tx: Transaction, asset_id: str, policy_digest: str, *, actor: str) -> list[Artefact]:
    """Forget chunks and masked file of an asset that nobody works on under this policy."""
    lock(tx, asset_id)
    if has_open(tx, asset_id, policy_digest):
        raise IllegalTransition("results are needed by open items")
    forgotten = results.take_out(tx, asset_id, policy_digest)
    if forgotten:
        size_bytes = sum(artefact.size_bytes for artefact in forgotten)
        tx.record(actor, "results.forgotten", asset_id, rows=len(forgotten), size_bytes=size_bytes)
    return forgotten


def retire(tx: Transaction, asset_id: str, after: AssetState, *, actor: str) -> Asset:
    """End the life of a delivered output."""
    if after not in (AssetState.ARCHIVED, AssetState.DELETED):
        raise IllegalTransition(f"asset: retire to {after}")
    if lock(tx, asset_id).state is not after:
        move(tx, asset_id, after, actor=actor, reason="retention")
    return asset_of(lock(tx, asset_id))


def cancel(tx: Transaction, asset_id: str, *, actor: str) -> Asset:
    """End the journey and its open items."""
    move(tx, asset_id, AssetState.CANCELLED, actor=actor, reason="cancelled")
    cancel_open(tx, asset_id, actor=actor, reason="cancelled")
    return asset_of(lock(tx, asset_id))


def _insert(tx: Transaction, new: NewAsset, *, actor: str) -> None:
    tx.connection.execute(
        insert(assets).values(
            asset_id=new.asset_id,
            subject_id=new.subject_id,
            content_sha256=new.content_sha256,
            size_bytes=new.size_bytes,
            state=AssetState.REGISTERED,
            policy_name=new.policy.name,
            policy_digest=new.policy.digest,
            created_at=tx.now,
            updated_at=tx.now,
        )
    )
    tx.record(actor, f"asset.{AssetState.REGISTERED}", new.asset_id, policy=new.policy.label)


def _starts_again(known: Row[Any], policy: PolicyRef) -> bool:
    return known.policy_digest != policy.digest and AssetState.REGISTERED in ASSET_TRANSITIONS[known.state]


def _take_policy(tx: Transaction, asset_id: str, policy: PolicyRef) -> None:
    tx.connection.execute(
        update(assets).where(assets.c.asset_id == asset_id).values(policy_name=policy.name, policy_digest=policy.digest)
    )
