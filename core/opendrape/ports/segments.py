"""Which parts of a video are marked, and under which number a client may name the video."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from opendrape.domain.frames import Segment
from opendrape.domain.states import ANY_STATE, AssetState
from opendrape.domain.timeline import FrameSpan


class Segments(Protocol):
    """One transaction per call; every change appends an audit event. Spans are ``[start, end)``; the caller checks them
    against the video's frame count. A database that does not answer raises ``CatalogueUnavailable``.

    ``while_in``: ``IllegalTransition``, and nothing is changed, when the asset is in no such state.
    """

    def add(
        self, asset_id: str, *, label: str, span: FrameSpan, actor: str, while_in: Collection[AssetState] = ANY_STATE
    ) -> Segment:
        """Add a segment and, for the video's first one, give the video its number. ``NotFound`` for no such asset."""

    def change(
        self, segment_id: int, *, label: str, span: FrameSpan, actor: str, while_in: Collection[AssetState] = ANY_STATE
    ) -> Segment:
        """Replace label and span. ``NotFound`` when unknown."""

    def remove(self, segment_id: int, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> None:
        """Remove it; requests that named it keep what they asked for. ``NotFound`` when unknown."""

    def segment(self, segment_id: int) -> Segment:
        """``NotFound`` when unknown."""

    def of_asset(self, asset_id: str) -> Sequence[Segment]:
        """A video's segments by start and number."""

    def number_of(self, asset_id: str) -> int | None:
        """The video's number; None while it never had a segment."""

    def asset_numbered(self, number: int) -> str | None:
        """The asset behind a number; None for no such number."""
