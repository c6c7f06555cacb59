"""How far an asset is, from 0 to 1, computed from its work items."""

from __future__ import annotations

from collections.abc import Sequence

from opendrape.domain.states import API_NAMES, AssetState, WorkState
from opendrape.domain.work import Chunk, WorkItem, WorkKind

_SHARE = {WorkKind.PLAN: 0.02, WorkKind.MASK: 0.90, WorkKind.ASSEMBLE: 0.04, WorkKind.DELIVER: 0.04}


def asset_progress(
    state: AssetState, items: Sequence[WorkItem], chunks: Sequence[Chunk], stored: frozenset[int]
) -> float:
    """Shares per kind of work; masking is weighted by frames. ``stored`` are chunks whose result is kept already.

    1.0 exactly when the asset is completed; below that never more than 0.999.
    """
    if API_NAMES[state] == "completed":
        return 1.0
    parts = {kind: max(_latest(items, kind).values(), default=0.0) for kind in _SHARE}
    parts[WorkKind.MASK] = _masked(_latest(items, WorkKind.MASK) | dict.fromkeys(stored, 1.0), chunks)
    if chunks:
        parts[WorkKind.PLAN] = 1.0
    return min(0.999, round(sum(share * parts[kind] for kind, share in _SHARE.items()), 4))


def _latest(items: Sequence[WorkItem], kind: WorkKind) -> dict[int, float]:
    """Progress by chunk (-1: the whole asset) of the newest item; a finished one counts whatever came after."""
    found: dict[int, float] = {}
    for item in sorted((item for item in items if item.kind is kind), key=lambda item: item.item_id):
        if found.get(item.chunk) != 1.0:
            found[item.chunk] = 1.0 if item.state is WorkState.DONE else min(item.progress, 0.999)
    return found


def _masked(progress: dict[int, float], chunks: Sequence[Chunk]) -> float:
    frames = sum(len(chunk.span) for chunk in chunks)
    done = sum(len(chunk.span) * progress.get(chunk.index, 0.0) for chunk in chunks)
    return done / frames if frames else 0.0
