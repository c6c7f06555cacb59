"""Which states an asset and a work item can be in, and which changes are allowed: one table each."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from opendrape.errors import IllegalTransition


class AssetState(StrEnum):
    """Where one asset is on its journey."""

    REGISTERED = "registered"
    MASKING = "masking"
    MASKED = "masked"
    REVIEW = "review"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"
    ARCHIVED = "archived"
    DELETED = "deleted"


class WorkState(StrEnum):
    """Where one work item is."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_A = AssetState
ASSET_TRANSITIONS: Final = MappingProxyType(
    {
        _A.REGISTERED: frozenset({_A.MASKING, _A.FAILED, _A.QUARANTINED, _A.CANCELLED}),
        _A.MASKING: frozenset({_A.MASKED, _A.FAILED, _A.QUARANTINED, _A.CANCELLED}),
        _A.MASKED: frozenset({_A.REVIEW, _A.DELIVERING, _A.QUARANTINED, _A.CANCELLED}),
        _A.REVIEW: frozenset({_A.DELIVERING, _A.MASKING, _A.QUARANTINED, _A.CANCELLED}),
        _A.DELIVERING: frozenset({_A.DELIVERED, _A.FAILED, _A.QUARANTINED, _A.CANCELLED}),
        # another policy, a retry after failure, or another destination once the masked file is gone: from the start;
        # another destination while it is there: only delivered
        _A.DELIVERED: frozenset({_A.REGISTERED, _A.DELIVERING, _A.REVIEW, _A.ARCHIVED, _A.DELETED}),
        _A.FAILED: frozenset({_A.REGISTERED, _A.DELETED}),
        _A.QUARANTINED: frozenset({_A.REGISTERED, _A.REVIEW, _A.FAILED, _A.DELETED}),
        _A.CANCELLED: frozenset({_A.REGISTERED, _A.DELETED}),
        _A.ARCHIVED: frozenset({_A.DELETED}),
        _A.DELETED: frozenset(),
    }
)

_W = WorkState
WORK_TRANSITIONS: Final = MappingProxyType(
    {
        _W.QUEUED: frozenset({_W.LEASED, _W.FAILED, _W.CANCELLED}),
        _W.LEASED: frozenset({_W.QUEUED, _W.LEASED, _W.DONE, _W.FAILED, _W.CANCELLED}),
        _W.DONE: frozenset(),
        _W.FAILED: frozenset(),
        _W.CANCELLED: frozenset(),
    }
)

ASSET_TERMINAL: Final = frozenset({_A.DELIVERED, _A.FAILED, _A.QUARANTINED, _A.CANCELLED, _A.ARCHIVED, _A.DELETED})
ANY_STATE: Final = frozenset(AssetState)
AWAITING_A_DECISION: Final = frozenset({_A.REVIEW, _A.QUARANTINED})
"""Where a person has to look before anything goes on."""
WORK_TERMINAL: Final = frozenset({_W.DONE, _W.FAILED, _W.CANCELLED})

API_NAMES: Final = MappingProxyType(
    {
        _A.REGISTERED: "pending",
        _A.MASKING: "processing",
        _A.MASKED: "processing",
        _A.REVIEW: "processing",
        _A.DELIVERING: "processing",
        _A.DELIVERED: "completed",
        _A.ARCHIVED: "completed",
        _A.DELETED: "completed",
        _A.FAILED: "failed",
        _A.QUARANTINED: "quarantined",
        _A.CANCELLED: "cancelled",
    }
)


def check_asset_transition(before: AssetState, after: AssetState) -> None:
    """Raise :class:`IllegalTransition` unless the table allows ``before -> after``."""
    if after not in ASSET_TRANSITIONS[before]:
        raise IllegalTransition(f"asset: {before} -> {after}")


def check_work_transition(before: WorkState, after: WorkState) -> None:
    """Raise :class:`IllegalTransition` unless the table allows ``before -> after``."""
    if after not in WORK_TRANSITIONS[before]:
        raise IllegalTransition(f"work item: {before} -> {after}")
