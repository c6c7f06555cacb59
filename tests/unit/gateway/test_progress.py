"""H-04: progress is computed from work items, by frames, and is 1.0 exactly at the end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Chunk, WorkItem, WorkKind
from opendrape_gateway.progress import asset_progress
from tests.fakes.gateway import POLICY

CHUNKS = (Chunk(index=0, span=FrameSpan(0, 300)), Chunk(index=1, span=FrameSpan(300, 400)))


def item(number: int, kind: WorkKind, state: WorkState, *, chunk: int = -1, progress: float = 0.0) -> WorkItem:
    return WorkItem(
        item_id=number,
        asset_id="ar-1",
        kind=kind,
        chunk=chunk,
        policy=POLICY,
        state=state,
        attempts=1,
        lease_epoch=1,
        owner=None,
        lease_until=None,
        due_at=datetime(2026, 1, 1, tzinfo=UTC),
        progress=progress,
        reason=None,
    )


PLANNED = item(1, WorkKind.PLAN, WorkState.DONE)


def progress(state: AssetState, *items: WorkItem, stored: frozenset[int] = frozenset()) -> float:
    return asset_progress(state, items, CHUNKS if PLANNED in items else (), stored)


def test_nothing_done_is_zero() -> None:
    """H-04: a pending video."""
    assert progress(AssetState.REGISTERED, item(1, WorkKind.PLAN, WorkState.QUEUED)) == 0.0


def test_masking_counts_by_frames() -> None:
    """H-04: a chunk of three quarters of the frames is three quarters of the masking."""
    first = item(2, WorkKind.MASK, WorkState.DONE, chunk=0)
    second = item(3, WorkKind.MASK, WorkState.LEASED, chunk=1, progress=0.5)
    assert progress(AssetState.MASKING, PLANNED, first, second) == pytest.approx(0.02 + 0.9 * 0.875)


def test_chunks_kept_from_before_count_without_an_item() -> None:
    """H-04: a retry does not start at zero when finished chunks are kept."""
    second = item(9, WorkKind.MASK, WorkState.QUEUED, chunk=1)
    assert progress(AssetState.MASKING, PLANNED, second, stored=frozenset({0})) == pytest.approx(0.02 + 0.9 * 0.75)


def test_a_finished_chunk_stays_finished_when_an_older_attempt_failed() -> None:
    """H-04: of several items for one chunk the finished or the newest counts."""
    failed = item(2, WorkKind.MASK, WorkState.FAILED, chunk=0, progress=0.9)
    done = item(3, WorkKind.MASK, WorkState.DONE, chunk=0)
    again = item(4, WorkKind.MASK, WorkState.CANCELLED, chunk=0, progress=0.1)
    assert progress(AssetState.MASKING, PLANNED, failed, done, again) == pytest.approx(0.02 + 0.9 * 0.75)
    assert progress(AssetState.MASKING, PLANNED, failed, again) == pytest.approx(0.02 + 0.9 * 0.075)


def test_only_a_completed_video_is_at_one() -> None:
    """H-04: everything done but not delivered is not done."""
    items = (
        PLANNED,
        item(2, WorkKind.MASK, WorkState.DONE, chunk=0),
        item(3, WorkKind.MASK, WorkState.DONE, chunk=1),
        item(4, WorkKind.ASSEMBLE, WorkState.DONE),
        item(5, WorkKind.DELIVER, WorkState.LEASED, progress=1.0),
    )
    assert progress(AssetState.DELIVERING, *items) == 0.999
    assert progress(AssetState.DELIVERED) == 1.0
    assert progress(AssetState.ARCHIVED) == 1.0
