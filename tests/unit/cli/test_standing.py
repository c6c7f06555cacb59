"""C-02: how far a run is follows from the ledger, whatever order the work is done in."""

from __future__ import annotations

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.cli.standing import SHARES, Journey
from opendrape.domain.work import Failure, WorkKind
from opendrape.errors import Disposition
from tests.fakes.catalogue import FRAMES_PER_CHUNK, memory_catalogue, new_asset, outcome
from tests.fakes.clock import FakeClock


@pytest.fixture
def catalogue() -> SqlCatalogue:
    return memory_catalogue(FakeClock())


def work(catalogue: SqlCatalogue) -> None:
    lease = catalogue.claim(set(WorkKind), owner="test", lease_seconds=30)
    assert lease is not None
    catalogue.complete(lease, outcome(lease))


def test_the_fraction_only_grows_and_ends_at_one(catalogue: SqlCatalogue) -> None:
    """C-02."""
    catalogue.register(new_asset(), actor="test")
    journey = Journey(catalogue)
    journey.follow(new_asset().asset_id, 1000)
    seen = [journey.standing().fraction]
    while catalogue.open_items():
        work(catalogue)
        seen.append(journey.standing().fraction)
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert journey.standing().finished == 1
    assert journey.standing().frames == 2 * FRAMES_PER_CHUNK


def test_videos_count_by_their_size(catalogue: SqlCatalogue) -> None:
    """C-02: a small finished video does not make a large one look done."""
    for number in (1, 2):
        catalogue.register(new_asset(number), actor="test")
    lease = catalogue.claim({WorkKind.PLAN}, owner="test", lease_seconds=30)
    assert lease is not None
    catalogue.fail(lease, Failure("empty_file", Disposition.FAIL))
    journey = Journey(catalogue)
    for number in (1, 2):
        journey.follow(new_asset(number).asset_id, 1 if new_asset(number).asset_id == lease.asset_id else 99)
    now = journey.standing()
    assert (now.finished, now.total) == (1, 2)
    assert now.fraction == pytest.approx(0.01)


def test_a_rerun_counts_only_its_own_frames(catalogue: SqlCatalogue) -> None:
    """C-02: the rate of a rerun is not flattered by what the run before it did."""
    catalogue.register(new_asset(), actor="test")
    work(catalogue)
    work(catalogue)
    journey = Journey(catalogue)
    journey.follow(new_asset().asset_id, 1000)
    assert journey.standing().frames == 0
    work(catalogue)
    assert journey.standing().frames == FRAMES_PER_CHUNK


def test_nothing_to_do_is_no_division_by_zero(catalogue: SqlCatalogue) -> None:
    assert Journey(catalogue).standing().total == 0


def test_the_shares_make_a_whole() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)
