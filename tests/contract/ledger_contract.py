"""What every catalogue must keep about work: one owner at a time, counted attempts, back-off, rings."""

from __future__ import annotations

import pytest

from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Failure, Lease, WorkItem, WorkKind
from opendrape.errors import Disposition, IllegalTransition, NotFound, StaleLease
from opendrape.ports.catalogue import Catalogue
from tests.contract.catalogue_contract import CatalogueSteps, claim, finish
from tests.fakes.catalogue import RETRY, new_asset, outcome
from tests.fakes.clock import FakeClock

TRANSIENT = Failure("storage_unavailable", Disposition.RETRY, "OSError")
OUTAGE = Failure("storage_unavailable", Disposition.WAIT, "StorageUnavailable")
ABANDONED = Failure("stopping", Disposition.ABANDON)


def last_item(catalogue: Catalogue, asset_id: str) -> WorkItem:
    return catalogue.work_items(asset_id)[-1]


def assert_stale(catalogue: Catalogue, lease: Lease) -> None:
    """Every write under this lease is refused and leaves no trace."""
    before = (catalogue.work_items(lease.asset_id), catalogue.asset(lease.asset_id), catalogue.audit_events())
    with pytest.raises(StaleLease):
        catalogue.heartbeat(lease, lease_seconds=30.0, progress=0.9)
    with pytest.raises(StaleLease):
        catalogue.complete(lease, outcome(lease))
    for disposition in Disposition:
        with pytest.raises(StaleLease):
            catalogue.fail(lease, Failure("permanent", disposition))
    assert before == (catalogue.work_items(lease.asset_id), catalogue.asset(lease.asset_id), catalogue.audit_events())


class LedgerContract(CatalogueSteps):
    """O-03: nothing lost, nothing done twice, everything goes on by itself."""

    def test_a_claim_raises_the_epoch_and_counts_the_attempt(self, catalogue: Catalogue, asset_id: str) -> None:
        lease = claim(catalogue, owner="one")
        assert (lease.epoch, lease.attempts, lease.owner, lease.asset_id) == (1, 1, "one", asset_id)
        item = last_item(catalogue, asset_id)
        assert (item.state, item.owner, item.attempts, item.lease_epoch) == (WorkState.LEASED, "one", 1, 1)
        assert catalogue.claim(WorkKind, owner="two", lease_seconds=30.0) is None

    def test_the_oldest_item_of_the_asked_kinds_comes_first(self, catalogue: Catalogue, clock: FakeClock) -> None:
        for number in (3, 1, 2):
            catalogue.register(new_asset(number), actor="ingest")
            clock.advance(1.0)
        assert catalogue.claim([WorkKind.MASK], owner="worker", lease_seconds=30.0) is None
        assert [claim(catalogue, WorkKind.PLAN).asset_id[-1] for _ in range(3)] == ["3", "1", "2"]

    def test_one_who_was_rung_for_an_item_gets_that_item(self, catalogue: Catalogue, clock: FakeClock) -> None:
        for number in (1, 2):
            catalogue.register(new_asset(number), actor="ingest")
        first, second = (last_item(catalogue, new_asset(number).asset_id) for number in (1, 2))
        lease = catalogue.claim_item(second.item_id, owner="rung", lease_seconds=10.0)
        assert lease is not None
        assert (lease.item_id, lease.epoch, lease.attempts, lease.owner) == (second.item_id, 1, 1, "rung")
        assert catalogue.claim_item(second.item_id, owner="late", lease_seconds=10.0) is None
        assert claim(catalogue).item_id == first.item_id
        catalogue.fail(lease, TRANSIENT)
        assert catalogue.claim_item(second.item_id, owner="early", lease_seconds=10.0) is None, "not due yet"
        clock.advance(RETRY.delay_seconds(1))
        again = catalogue.claim_item(second.item_id, owner="rung", lease_seconds=10.0)
        assert again is not None
        assert (again.epoch, again.attempts) == (2, 2)
        catalogue.complete(again, outcome(again))
        assert catalogue.claim_item(second.item_id, owner="rung", lease_seconds=10.0) is None
        assert catalogue.item(second.item_id).state is WorkState.DONE

    def test_an_item_that_nobody_knows_is_not_handed_out(self, catalogue: Catalogue) -> None:
        assert catalogue.claim_item(4711, owner="rung", lease_seconds=10.0) is None
        with pytest.raises(NotFound):
            catalogue.item(4711)

    def test_a_heartbeat_keeps_the_lease_and_tells_progress(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        lease = claim(catalogue, lease_seconds=10.0)
        clock.advance(9.0)
        catalogue.heartbeat(lease, lease_seconds=10.0, progress=0.5)
        clock.advance(9.0)
        assert catalogue.sweep() == 0
        assert last_item(catalogue, asset_id).progress == 0.5
        catalogue.complete(lease, outcome(lease))

    def test_a_lease_that_ran_out_is_collected_and_its_owner_writes_nothing(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        late = claim(catalogue, lease_seconds=10.0)
        clock.advance(10.0)
        assert (catalogue.sweep(), catalogue.sweep()) == (1, 0)
        assert_stale(catalogue, late)
        present = claim(catalogue)
        assert (present.item_id, present.epoch, present.attempts) == (late.item_id, late.epoch + 1, 2)
        assert_stale(catalogue, late)
        catalogue.complete(present, outcome(present))
        assert_stale(catalogue, present)

    def test_a_lease_that_ran_out_but_was_not_collected_still_counts(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        lease = claim(catalogue, lease_seconds=10.0)
        clock.advance(60.0)
        catalogue.complete(lease, outcome(lease))
        finished = next(item for item in catalogue.work_items(asset_id) if item.item_id == lease.item_id)
        assert finished.state is WorkState.DONE

    def test_a_cancelled_item_is_stale_for_its_worker(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        lease = claim(catalogue)
        catalogue.cancel(asset_id, actor="person")
        assert_stale(catalogue, lease)

    def test_a_worker_that_dies_every_time_fails_the_item_in_the_end(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        """O-04: a decoder that kills its process does not loop for ever."""
        for _ in range(RETRY.max_attempts):
            claim(catalogue, lease_seconds=10.0)
            clock.advance(10.0)
            catalogue.sweep()
        assert catalogue.claim(WorkKind, owner="worker", lease_seconds=10.0) is None
        asset, item = catalogue.asset(asset_id), last_item(catalogue, asset_id)
        assert (asset.state, asset.reason) == (AssetState.FAILED, "attempts_exhausted")
        assert (item.state, item.reason) == (WorkState.FAILED, "attempts_exhausted")

    def test_a_passing_error_is_retried_with_growing_delay_then_fails(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        """D-04: back-off with jitter, between half and all of the delay; a cap on attempts."""
        for attempts in range(1, RETRY.max_attempts):
            catalogue.fail(claim(catalogue), TRANSIENT)
            item = last_item(catalogue, asset_id)
            wait = (item.due_at - clock.now()).total_seconds()
            assert RETRY.delay_seconds(attempts) / 2 <= wait <= RETRY.delay_seconds(attempts)
            assert (item.state, item.reason) == (WorkState.QUEUED, "storage_unavailable")
            assert catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0) is None
            clock.advance(wait)
        catalogue.fail(claim(catalogue), TRANSIENT)
        asset = catalogue.asset(asset_id)
        assert (asset.state, asset.reason) == (AssetState.FAILED, "storage_unavailable")

    def test_an_outage_is_waited_out_and_no_attempt_is_counted(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        """O-03: everything goes on by itself; asked every few seconds, however long it takes (but see below)."""
        for _ in range(5 * RETRY.max_attempts):
            lease = claim(catalogue)
            catalogue.fail(lease, OUTAGE)
            assert_stale(catalogue, lease)
            item = last_item(catalogue, asset_id)
            wait = (item.due_at - clock.now()).total_seconds()
            assert RETRY.outage_delay_seconds / 2 <= wait <= RETRY.outage_delay_seconds
            assert (item.state, item.attempts, item.reason) == (WorkState.QUEUED, 0, "storage_unavailable")
            clock.advance(wait)
        finish(catalogue, WorkKind.PLAN)

    def test_an_outage_that_does_not_end_ends_the_item(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        """O-03: what can never be read fails after a day, with its reason, and can be retried by a person."""
        clock.advance(RETRY.outage_hours * 3600)
        for _ in range(RETRY.max_attempts):
            catalogue.fail(claim(catalogue), OUTAGE)
            clock.advance(60.0)
        asset = catalogue.asset(asset_id)
        assert (asset.state, asset.reason) == (AssetState.FAILED, "storage_unavailable")

    def test_two_items_that_failed_together_do_not_return_together(self, catalogue: Catalogue) -> None:
        ids = [catalogue.register(new_asset(number), actor="ingest").asset.asset_id for number in range(2)]
        for lease in [claim(catalogue) for _ in ids]:
            catalogue.fail(lease, TRANSIENT)
        first, second = (last_item(catalogue, asset_id).due_at for asset_id in ids)
        assert first != second

    def test_an_unexplained_error_ends_in_quarantine(
        self, catalogue: Catalogue, clock: FakeClock, asset_id: str
    ) -> None:
        for _ in range(RETRY.max_attempts):
            catalogue.fail(claim(catalogue), Failure("unexpected", Disposition.RETRY))
            clock.advance(60.0)
        asset = catalogue.asset(asset_id)
        assert (asset.state, asset.reason) == (AssetState.QUARANTINED, "unexpected")

    @pytest.mark.parametrize(
        ("disposition", "state"),
        [(Disposition.FAIL, AssetState.FAILED), (Disposition.QUARANTINE, AssetState.QUARANTINED)],
    )
    def test_an_error_for_good_takes_the_asset_and_its_other_items_along(
        self, catalogue: Catalogue, asset_id: str, disposition: Disposition, state: AssetState
    ) -> None:
        finish(catalogue, WorkKind.PLAN)
        lease, other = claim(catalogue), claim(catalogue)
        catalogue.fail(lease, Failure("residual_found", disposition))
        asset = catalogue.asset(asset_id)
        assert (asset.state, asset.reason, catalogue.open_items()) == (state, "residual_found", 0)
        states = [item.state for item in catalogue.work_items(asset_id)]
        assert states == [WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED]
        assert_stale(catalogue, other)

    def test_a_lease_given_back_does_not_count_as_an_attempt(self, catalogue: Catalogue, asset_id: str) -> None:
        """C-02: Ctrl-C costs nothing, however often."""
        for _ in range(RETRY.max_attempts + 2):
            lease = claim(catalogue)
            catalogue.fail(lease, ABANDONED)
            assert_stale(catalogue, lease)
        assert last_item(catalogue, asset_id).attempts == 0

    def test_an_outcome_of_another_kind_of_work_is_refused(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        lease = claim(catalogue)
        wrong_kind = outcome(Lease(**_fields(lease) | {"kind": WorkKind.DELIVER}))
        wrong_chunk = outcome(Lease(**_fields(lease) | {"chunk": lease.chunk + 1}))
        for wrong in (wrong_kind, wrong_chunk):
            with pytest.raises(IllegalTransition):
                catalogue.complete(lease, wrong)
        assert last_item(catalogue, asset_id).state is WorkState.QUEUED
        catalogue.complete(lease, outcome(lease))

    def test_ended_items_are_counted_by_kind_state_and_reason(self, catalogue: Catalogue, asset_id: str) -> None:
        """H-07: from rows, so that a worker that is gone took no count with it."""
        assert catalogue.outcomes() == {}
        finish(catalogue, WorkKind.PLAN)
        lease = claim(catalogue)
        catalogue.fail(lease, TRANSIENT)
        assert catalogue.outcomes() == {(WorkKind.PLAN, WorkState.DONE, None): 1}
        catalogue.fail(claim(catalogue), Failure("corrupt", Disposition.FAIL))
        assert catalogue.outcomes() == {
            (WorkKind.PLAN, WorkState.DONE, None): 1,
            (WorkKind.MASK, WorkState.FAILED, "corrupt"): 1,
            (WorkKind.MASK, WorkState.CANCELLED, "corrupt"): 1,
        }

    def test_new_work_rings_once_until_the_ring_is_sent(self, catalogue: Catalogue, asset_id: str) -> None:
        [ring] = catalogue.take_rings()
        assert (ring.kind, ring.item_id) == (WorkKind.PLAN, last_item(catalogue, asset_id).item_id)
        assert list(catalogue.take_rings()) == [ring]
        for _ in range(2):
            catalogue.rings_sent([ring.ring_id])
        assert list(catalogue.take_rings()) == []
        finish(catalogue)
        assert [ring.kind for ring in catalogue.take_rings()] == [WorkKind.MASK, WorkKind.MASK]

    def test_a_retry_rings_when_it_is_due(self, catalogue: Catalogue, clock: FakeClock, asset_id: str) -> None:
        catalogue.rings_sent([ring.ring_id for ring in catalogue.take_rings()])
        catalogue.fail(claim(catalogue), TRANSIENT)
        assert list(catalogue.take_rings()) == []
        clock.advance(RETRY.delay_seconds(1))
        assert len(catalogue.take_rings()) == 1

    def test_a_lost_ring_is_rung_again(self, catalogue: Catalogue, clock: FakeClock, asset_id: str) -> None:
        """O-03: a lost message delays an item, it does not lose it."""
        catalogue.rings_sent([ring.ring_id for ring in catalogue.take_rings()])
        for _ in range(2):
            clock.advance(60.0)
            assert (catalogue.sweep(), catalogue.sweep()) == (0, 0)
            [ring] = catalogue.take_rings()
            catalogue.rings_sent([ring.ring_id])


def _fields(lease: Lease) -> dict[str, object]:
    return {name: getattr(lease, name) for name in Lease.__dataclass_fields__}
