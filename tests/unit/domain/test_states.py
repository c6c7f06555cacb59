"""H-04, O-03: the table of transitions is the only way from state to state."""

from __future__ import annotations

import pytest

from opendrape.domain.states import (
    API_NAMES,
    ASSET_TERMINAL,
    ASSET_TRANSITIONS,
    WORK_TERMINAL,
    WORK_TRANSITIONS,
    AssetState,
    WorkState,
    check_asset_transition,
    check_work_transition,
)
from opendrape.errors import IllegalTransition


def test_every_state_has_a_row_and_one_api_name() -> None:
    """H-04: each state maps to exactly one of the API's names."""
    assert set(ASSET_TRANSITIONS) == set(API_NAMES) == set(AssetState)
    assert set(WORK_TRANSITIONS) == set(WorkState)
    assert set(API_NAMES.values()) == {"pending", "processing", "completed", "failed", "cancelled", "quarantined"}


def test_every_state_can_reach_a_terminal_one() -> None:
    """O-03: nothing can get stuck by the table."""
    reached = set(ASSET_TERMINAL)
    while new := {s for s, after in ASSET_TRANSITIONS.items() if after & reached} - reached:
        reached |= new
    assert reached == set(AssetState)


def test_nothing_is_delivered_unless_it_was_being_delivered() -> None:
    """V-16: no other state leads to delivered."""
    assert [s for s, after in ASSET_TRANSITIONS.items() if AssetState.DELIVERED in after] == [AssetState.DELIVERING]


def test_a_change_the_table_does_not_allow_is_an_error() -> None:
    """Fail closed."""
    with pytest.raises(IllegalTransition):
        check_asset_transition(AssetState.REGISTERED, AssetState.DELIVERED)
    with pytest.raises(IllegalTransition):
        check_work_transition(WorkState.DONE, WorkState.QUEUED)
    assert all(not WORK_TRANSITIONS[state] for state in WORK_TERMINAL)
