"""O-03: the sole owner of a state folder takes back at its start what a killed process had leased."""

from __future__ import annotations

import pytest

from opendrape.domain.work import WorkKind
from opendrape.errors import StaleLease
from tests.fakes.catalogue import memory_catalogue, new_asset, outcome
from tests.fakes.clock import FakeClock


def test_reclaimed_items_are_due_at_once_and_their_old_leases_are_stale() -> None:
    """O-03: no wait for the deadline, no second writer."""
    catalogue = memory_catalogue(FakeClock())
    catalogue.register(new_asset(1), actor="test")
    old = catalogue.claim({WorkKind.PLAN}, owner="dead", lease_seconds=600)
    assert old is not None
    assert catalogue.claim({WorkKind.PLAN}, owner="new", lease_seconds=600) is None
    assert catalogue.reclaim() == 1
    assert catalogue.reclaim() == 0
    fresh = catalogue.claim({WorkKind.PLAN}, owner="new", lease_seconds=600)
    assert fresh is not None
    assert fresh.epoch > old.epoch
    with pytest.raises(StaleLease):
        catalogue.complete(old, outcome(old))
    catalogue.complete(fresh, outcome(fresh))
