"""What the HTTP door asks about many videos at once, in few questions (H-02)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opendrape.domain.states import AssetState
from opendrape.domain.work import Asset, Chunk, WorkItem


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Which videos: all given conditions hold. ``after`` is the last id of the page before (keyset)."""

    states: tuple[AssetState, ...] = ()
    owner: str | None = None
    subject_id: str | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What the progress of one video is computed from."""

    items: Sequence[WorkItem]
    chunks: Sequence[Chunk]
    stored: frozenset[int]


@dataclass(frozen=True, slots=True)
class VideoEvent:
    """One thing that happened to a video. Ids of one video's events rise in the order of commit."""

    event_id: int
    at: datetime
    action: str
    reason: str | None


class VideoShelf(Protocol):
    """Reads only. Every list costs a few indexed questions, whatever the catalogue's size."""

    def page(self, which: VideoFilter) -> Sequence[Asset]:
        """Assets in id order."""

    def standings(self, assets: Collection[Asset]) -> Mapping[str, Standing]:
        """The standing of each, by asset id, under its present policy."""

    def events(self, asset_id: str, *, after: int, limit: int) -> Sequence[VideoEvent]:
        """Changes of the video's state after the event id ``after``, oldest first."""
