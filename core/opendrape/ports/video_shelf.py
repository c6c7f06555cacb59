"""What the HTTP door asks about many videos at once, in few questions (H-02)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opendrape.domain.states import AssetState
from opendrape.domain.work import Asset


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Which videos: all given conditions hold. ``after`` is the last id of the page before (keyset).

    ``owner``: only this one's videos, and whatever is in one of the states ``whoever_brought_it``. ``pictures``: still
    pictures, and no videos.
    """

    states: tuple[AssetState, ...] = ()
    owner: str | None = None
    whoever_brought_it: tuple[AssetState, ...] = ()
    subject_id: str | None = None
    after: str | None = None
    limit: int = 50
    pictures: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What the progress of one video is computed from: frames in all, in kept pieces, and in pieces being masked (each
    by its share), and how far the other steps are, from 0 to 1.
    """

    frames: int = 0
    frames_kept: int = 0
    frames_under_way: float = 0.0
    planned: float = 0.0
    assembled: float = 0.0
    delivered: float = 0.0


@dataclass(frozen=True, slots=True)
class VideoEvent:
    """One thing that happened to a video. Ids of one video's events rise in the order of commit."""

    event_id: int
    at: datetime
    action: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Glance:
    """A video and the id of the newest event about it (0: none), which rises with everything that happens to it but
    the progress within a piece.
    """

    asset: Asset
    newest: int


class VideoShelf(Protocol):
    """Reads only. Every list costs a few indexed questions, whatever the catalogue's size."""

    def page(self, which: VideoFilter) -> Sequence[Asset]:
        """Assets in id order."""

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:
        """One video, in one question; None when there is none, or ``owner`` (None: anybody) does not own it."""

    def glances(self, asset_ids: Collection[str]) -> Mapping[str, Glance]:
        """Many videos, in one question; what is not there is left out."""

    def standings(self, assets: Collection[Asset]) -> Mapping[str, Standing]:
        """The standing of each, by asset id, under its present policy."""

    def events(self, asset_id: str, *, after: int, limit: int) -> Sequence[VideoEvent]:
        """Changes of the video's state after the event id ``after``, oldest first."""
