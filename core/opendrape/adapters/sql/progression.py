"""What follows when an item ends well: which results are kept, which state the asset takes, which items are queued."""

from __future__ import annotations

from opendrape.adapters.sql import assets, frame_work, results
from opendrape.adapters.sql.items import enqueue, enqueue_all
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.states import AssetState
from opendrape.domain.work import Assembled, ChunkMasked, Delivered, FramesPacked, Lease, Outcome, Planned, WorkKind
from opendrape.errors import IllegalTransition


def follow(tx: Transaction, lease: Lease, outcome: Outcome) -> None:
    """Store the outcome and queue what follows. ``IllegalTransition`` when it is no outcome of this kind of work."""
    match lease.kind, outcome:
        case WorkKind.PLAN, Planned():
            _after_plan(tx, lease, outcome)
        case WorkKind.MASK, ChunkMasked():
            _after_mask(tx, lease, outcome)
        case WorkKind.ASSEMBLE, Assembled():
            _after_assemble(tx, lease, outcome)
        case WorkKind.DELIVER, Delivered():
            _after_deliver(tx, lease, outcome)
        case WorkKind.FRAMES, FramesPacked():
            frame_work.packed(tx, lease, outcome)
        case _:
            raise IllegalTransition(f"{lease.kind} cannot end in {type(outcome).__name__}")


def is_of(lease: Lease, masked: ChunkMasked) -> bool:
    """True when this is the result of the chunk that was leased."""
    return lease.kind is WorkKind.MASK and masked.artefact.chunk == lease.chunk


def _after_plan(tx: Transaction, lease: Lease, plan: Planned) -> None:
    if not plan.chunks:
        raise IllegalTransition("a plan has at least one chunk")
    results.store_plan(tx, lease.asset_id, lease.policy.digest, plan)
    assets.move(tx, lease.asset_id, AssetState.MASKING, actor=lease.owner)
    waiting = results.unmasked_chunks(tx, lease.asset_id, lease.policy.digest)
    enqueue_all(tx, lease.asset_id, lease.policy, WorkKind.MASK, waiting, actor=lease.owner)
    if not waiting:
        _queue(tx, lease, WorkKind.ASSEMBLE)


def _after_mask(tx: Transaction, lease: Lease, masked: ChunkMasked) -> None:
    if not is_of(lease, masked):
        raise IllegalTransition("the result is of another chunk")
    results.store_artefact(tx, lease.asset_id, lease.policy.digest, masked.artefact)
    results.store_report(tx, lease.asset_id, lease.policy.digest, masked, chunk=lease.chunk)
    # no other chunk of the asset can complete meanwhile
    if not results.unmasked_chunks(tx, lease.asset_id, lease.policy.digest):
        _queue(tx, lease, WorkKind.ASSEMBLE)


def _after_assemble(tx: Transaction, lease: Lease, assembled: Assembled) -> None:
    results.store_artefact(tx, lease.asset_id, lease.policy.digest, assembled.artefact)
    results.store_report(tx, lease.asset_id, lease.policy.digest, assembled)
    assets.move(tx, lease.asset_id, AssetState.MASKED, actor=lease.owner)
    assets.move(tx, lease.asset_id, AssetState.DELIVERING, actor=lease.owner)
    _queue(tx, lease, WorkKind.DELIVER)


def _after_deliver(tx: Transaction, lease: Lease, delivered: Delivered) -> None:
    results.publish(tx, lease.asset_id, lease.policy.digest, delivered.published)
    results.store_artefact(tx, lease.asset_id, lease.policy.digest, delivered.receipt)
    assets.move(tx, lease.asset_id, AssetState.DELIVERED, actor=lease.owner)


def _queue(tx: Transaction, lease: Lease, kind: WorkKind) -> None:
    enqueue(tx, lease.asset_id, lease.policy, kind, actor=lease.owner)
