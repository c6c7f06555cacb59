"""O-03: the sole owner of a state folder takes back at its start what a killed process had leased."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.work import WorkKind
from opendrape.errors import StaleLease
from tests.fakes.catalogue import RETRY, memory_catalogue, memory_database, new_asset, outcome
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


@pytest.mark.parametrize("was_leased", [False, True])
def test_a_clock_that_was_set_back_between_two_starts_holds_nothing_up(was_leased: bool) -> None:
    """O-03: what was due "in an hour" is due at the start, and so is its ring."""
    database = memory_database()
    later, earlier = FakeClock(datetime(2030, 1, 1, 1, tzinfo=UTC)), FakeClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = SqlCatalogue(database, clock=later, retry=RETRY)
    before.register(new_asset(1), actor="test")
    if was_leased:
        assert before.claim({WorkKind.PLAN}, owner="dead", lease_seconds=600) is not None
    after = SqlCatalogue(database, clock=earlier, retry=RETRY)
    assert after.claim({WorkKind.PLAN}, owner="new", lease_seconds=600) is None
    after.reclaim()
    assert after.take_rings()
    assert after.claim({WorkKind.PLAN}, owner="new", lease_seconds=600) is not None
