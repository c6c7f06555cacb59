"""H-04: progress is computed from frames and steps, and is 1.0 exactly at the end."""

from __future__ import annotations

import pytest

from opendrape.domain.states import API_NAMES, AssetState
from opendrape.ports.video_shelf import Standing
from opendrape_gateway.progress import asset_progress

ALL_DONE = Standing(frames=400, frames_kept=400, planned=1.0, assembled=1.0, delivered=1.0)


def test_nothing_done_is_zero() -> None:
    """H-04: a pending video."""
    assert asset_progress(AssetState.REGISTERED, Standing()) == 0.0


def test_masking_counts_by_frames() -> None:
    """H-04: three quarters of the frames kept and half of the rest under way."""
    standing = Standing(frames=400, frames_kept=300, frames_under_way=50.0, planned=1.0)
    assert asset_progress(AssetState.MASKING, standing) == pytest.approx(0.02 + 0.9 * 0.875)


def test_a_plan_under_way_counts_a_little() -> None:
    """H-04: before the frames are counted."""
    assert asset_progress(AssetState.REGISTERED, Standing(planned=0.5)) == 0.01


@pytest.mark.parametrize("state", AssetState)
def test_only_a_completed_video_is_at_one(state: AssetState) -> None:
    """H-04: everything done but not delivered is not done."""
    assert asset_progress(state, ALL_DONE) == (1.0 if API_NAMES[state] == "completed" else 0.999)


def test_a_piece_that_is_kept_and_masked_again_counts_once() -> None:
    """H-04: never more than all of it."""
    standing = Standing(frames=100, frames_kept=100, frames_under_way=50.0, planned=1.0)
    assert asset_progress(AssetState.MASKING, standing) == 0.92
