"""A worker turns what a handler does into states of the ledger, and never writes without a lease."""

from __future__ import annotations

import threading

import pytest

from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Lease, Outcome, WorkKind
from opendrape.errors import (
    CatalogueUnavailable,
    ChildCrashed,
    Disposition,
    InferenceFailed,
    MediaRefused,
    ResidualFound,
    StaleLease,
    StorageUnavailable,
)
from opendrape.ledger.worker import Progress, Stopping
from tests.fakes.bench import Bench, Work, until
from tests.fakes.catalogue import memory_catalogue, new_asset, outcome
from tests.fakes.clock import FakeClock


@pytest.fixture
def bench() -> Bench:
    clock = FakeClock()
    catalogue = memory_catalogue(clock)
    catalogue.register(new_asset(), actor="ingest")
    return Bench(catalogue, clock)


def _raises(error: BaseException) -> Work:
    def work(lease: Lease, progress: Progress) -> Outcome:
        raise error

    return work


def test_a_worker_carries_a_video_to_the_end(bench: Bench) -> None:
    worker = bench.worker()
    while worker.run_once():
        pass
    assert bench.state is AssetState.DELIVERED


def test_without_work_there_is_nothing_to_do(bench: Bench) -> None:
    bench.catalogue.cancel(new_asset().asset_id, actor="person")
    assert bench.worker().run_once() is False


def test_finished_work_rings_for_what_follows(bench: Bench) -> None:
    bench.worker().run_once()
    assert [kind for kind, _ in bench.doorbell.rings] == [WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (MediaRefused(reason="truncated"), AssetState.FAILED, "truncated"),
        (ResidualFound(), AssetState.QUARANTINED, "residual_found"),
    ],
)
def test_an_error_for_good_ends_the_journey(bench: Bench, error: Exception, state: AssetState, reason: str) -> None:
    bench.worker(_raises(error)).run_once()
    assert (bench.state, bench.item.state, bench.item.reason) == (state, WorkState.FAILED, reason)


@pytest.mark.parametrize(("error", "reason"), [(ChildCrashed(), "child_crashed"), (ZeroDivisionError(), "unexpected")])
def test_a_passing_error_is_tried_again_later(bench: Bench, error: Exception, reason: str) -> None:
    bench.worker(_raises(error)).run_once()
    assert (bench.item.state, bench.item.attempts, bench.item.reason) == (WorkState.QUEUED, 1, reason)
    assert bench.item.due_at > bench.clock.now()


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        *((StorageUnavailable(reason=reason), 0) for reason in ("storage_unavailable", "disk_full", "key_map_busy")),
        *((StorageUnavailable(reason=reason), 0) for reason in ("storage_unreachable", "storage_busy", "timed_out")),
        (CatalogueUnavailable(), 0),
        *((InferenceFailed(reason=reason), 0) for reason in ("inference_away", "model_not_served")),
        *((InferenceFailed(reason=reason), 1) for reason in ("inference_unavailable", "inference_timeout")),
        (StorageUnavailable(reason="read_back_differs"), 1),
    ],
)
def test_only_what_says_nothing_of_the_item_costs_no_attempt(bench: Bench, error: Exception, attempts: int) -> None:
    """O-03: an outage is waited out; damage counts."""
    bench.worker(_raises(error)).run_once()
    assert bench.item.attempts == attempts
    assert ("work_waits" in bench.events) is (attempts == 0)


def test_the_words_of_an_error_reach_neither_ledger_nor_audit(bench: Bench) -> None:
    """P-05: a foreign error may carry a path with a name in it."""
    bench.worker(_raises(OSError("/clinic/Jane Doe 1981/op.mp4"))).run_once()
    written = repr((bench.item, bench.catalogue.audit_events(), bench.events))
    assert "Jane" not in written
    assert "OSError" in written


def test_progress_says_when_the_process_stops_and_the_item_goes_back_uncounted(bench: Bench) -> None:
    """C-02: Ctrl-C costs no attempt."""
    stop = threading.Event()

    def work(lease: Lease, progress: Progress) -> Outcome:
        progress(0.1)
        stop.set()
        progress(0.2)
        raise AssertionError("progress must have raised")

    bench.worker(work).run(stop)
    assert (bench.item.state, bench.item.attempts, bench.item.reason) == (WorkState.QUEUED, 0, "stopping")
    assert "work_given_back" in bench.events


def test_a_child_that_dies_of_the_same_ctrl_c_costs_no_attempt(bench: Bench) -> None:
    """C-02: the signal reaches the whole process group."""
    stop = threading.Event()

    def work(lease: Lease, progress: Progress) -> Outcome:
        stop.set()
        raise ChildCrashed()

    bench.worker(work).run(stop)
    assert (bench.item.state, bench.item.attempts) == (WorkState.QUEUED, 0)


def test_an_interrupt_gives_the_lease_back_and_passes(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.worker(_raises(KeyboardInterrupt())).run_once()
    assert (bench.item.state, bench.item.attempts) == (WorkState.QUEUED, 0)


def test_a_heart_beats_while_the_handler_works(bench: Bench) -> None:
    """The deadline moves in the background; the lease outlives its first thirty seconds."""

    def work(lease: Lease, progress: Progress) -> Outcome:
        progress(0.5)
        bench.clock.advance(29.0)
        until(lambda: bench.item.progress == 0.5)
        bench.clock.advance(29.0)
        assert bench.catalogue.sweep() == 0
        return outcome(lease)

    bench.worker(work, heartbeat_seconds=0.01).run_once()
    assert bench.state is AssetState.MASKING


def test_a_handler_hears_that_its_lease_is_lost_and_the_worker_writes_nothing(bench: Bench) -> None:
    """O-03: a paused worker finds another owner and leaves the item alone."""
    seen: list[object] = []

    def work(lease: Lease, progress: Progress) -> Outcome:
        bench.clock.advance(30.0)
        bench.catalogue.sweep()
        bench.catalogue.claim(WorkKind, owner="another", lease_seconds=30.0)
        seen.extend([bench.item, bench.catalogue.audit_events()])
        until(lambda: _raises_stale(progress))
        progress(0.5)
        return outcome(lease)

    bench.worker(work, heartbeat_seconds=0.01).run_once()
    assert [bench.item, bench.catalogue.audit_events()] == seen
    assert bench.events == ["work_started", "lease_lost"]


def test_an_outcome_under_a_lost_lease_is_not_stored(bench: Bench) -> None:
    """O-03: also when the handler never noticed."""

    def work(lease: Lease, progress: Progress) -> Outcome:
        bench.catalogue.cancel(lease.asset_id, actor="person")
        return outcome(lease)

    bench.worker(work).run_once()
    assert bench.state is AssetState.CANCELLED
    assert bench.catalogue.media_info(new_asset().asset_id) is None
    assert bench.events == ["work_started", "lease_lost"]


def test_an_outcome_that_does_not_fit_fails_the_item(bench: Bench) -> None:
    bench.worker(lambda lease, progress: _another_outcome(lease)).run_once()
    assert (bench.state, bench.item.reason) == (AssetState.FAILED, "illegal_transition")


def test_stopping_gives_back() -> None:
    assert Stopping().disposition is Disposition.ABANDON


def _another_outcome(lease: Lease) -> Outcome:
    fields = {name: getattr(lease, name) for name in Lease.__dataclass_fields__}
    return outcome(Lease(**fields | {"kind": WorkKind.DELIVER}))


def _raises_stale(progress: Progress) -> bool:
    try:
        progress(0.5)
    except StaleLease:
        return True
    return False
