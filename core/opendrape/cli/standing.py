"""How far is a set of assets, as one fraction, with the frames done so far? Asked again and again, cheaply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from opendrape.domain.states import ASSET_TERMINAL, AssetState, WorkState
from opendrape.domain.work import WorkItem, WorkKind
from opendrape.ports.catalogue import Catalogue

SHARES: Final[Mapping[WorkKind, float]] = MappingProxyType(
    {WorkKind.PLAN: 0.02, WorkKind.MASK: 0.93, WorkKind.ASSEMBLE: 0.03, WorkKind.DELIVER: 0.02}
)
"""Share of one video's time that each kind of work takes, roughly: only the progress line depends on it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """``fraction`` in 0..1 over all assets, weighted by size; ``frames`` masked so far in this run."""

    fraction: float
    finished: int
    total: int
    frames: float


class Journey:
    """Follows assets until all are terminal. Terminal ones are not asked for again."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._weights: dict[str, int] = {}
        self._done: dict[str, float] = {}
        self._finished_frames = 0.0
        self._frames_before: dict[str, float] = {}

    def follow(self, asset_id: str, size_bytes: int) -> None:
        """Count this asset in; a second call changes nothing."""
        if asset_id not in self._weights:
            self._weights[asset_id] = max(1, size_bytes)
            self._frames_before[asset_id] = self._look(asset_id)[1]

    def standing(self) -> Standing:
        """As it is now."""
        running, frames = {}, 0.0
        for asset_id in self._weights.keys() - self._done.keys():
            fraction, asset_frames = self._look(asset_id)
            new_frames = max(0.0, asset_frames - self._frames_before[asset_id])
            if self._catalogue.asset(asset_id).state in ASSET_TERMINAL:
                self._done[asset_id] = 1.0
                self._finished_frames += new_frames
            else:
                running[asset_id] = fraction
                frames += new_frames
        shares = self._done | running
        weighed = sum(self._weights[asset_id] * share for asset_id, share in shares.items())
        return Standing(
            fraction=weighed / max(1, sum(self._weights.values())),
            finished=len(self._done),
            total=len(self._weights),
            frames=self._finished_frames + frames,
        )

    def _look(self, asset_id: str) -> tuple[float, float]:
        asset = self._catalogue.asset(asset_id)
        if asset.state is AssetState.REGISTERED:
            return 0.0, 0.0
        items = self._catalogue.work_items(asset_id)
        spans = {chunk.index: len(chunk.span) for chunk in self._catalogue.chunks(asset_id)}
        masks = [item for item in items if item.kind is WorkKind.MASK]
        frames = sum(spans.get(item.chunk, 0) * _share(item) for item in masks)
        return fraction_of(items, frames / max(1, sum(spans.values()))), frames


def fraction_of(items: Sequence[WorkItem], masked: float) -> float:
    """One asset's fraction from its items; ``masked`` is the fraction of its frames that are masked."""
    total = SHARES[WorkKind.MASK] * masked
    for kind in (WorkKind.PLAN, WorkKind.ASSEMBLE, WorkKind.DELIVER):
        total += SHARES[kind] * max((_share(item) for item in items if item.kind is kind), default=0.0)
    return min(1.0, total)


def _share(item: WorkItem) -> float:
    return 1.0 if item.state is WorkState.DONE else min(1.0, max(0.0, item.progress))
