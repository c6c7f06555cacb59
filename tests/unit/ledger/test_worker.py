"""A worker turns what a handler does into states of the ledger, and never writes without a lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Failure, Lease, Outcome, WorkItem, WorkKind
from opendrape.errors import (
    CatalogueUnavailable,
    ChildCrashed,
    Disposition,
    MediaRefused,
    ResidualFound,
    StaleLease,
)
from opendrape.ledger.worker import Caretaker, Progress, Stopping, Worker
from tests.fakes.catalogue import RETRY, memory_catalogue, memory_database, new_asset, outcome
from tests.fakes.clock import FakeClock
from tests.fakes.doorbell import RecordingDoorbell

Work = Callable[[Lease, Progress], Outcome]


@dataclass
class _Handler:
    work: Work = lambda lease, progress: outcome(lease)
    kinds: frozenset[WorkKind] = frozenset(WorkKind)

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        return self.work(lease, progress)


@dataclass
class _Bench:
    """A worker on a catalogue in memory, with one asset registered."""

    catalogue: SqlCatalogue
    clock: FakeClock
    doorbell: RecordingDoorbell = field(default_factory=RecordingDoorbell)
    events: list[str] = field(default_factory=list)

    def worker(self, work: Work = _Handler.work, *, heartbeat_seconds: float = 60.0) -> Worker:
        return Worker(
            catalogue=self.catalogue,
            doorbell=self.doorbell,
            clock=self.clock,
            handler=_Handler(work),
            owner="worker",
            lease_seconds=30.0,
            heartbeat_seconds=heartbeat_seconds,
            on_event=self.note,
        )

    def note(self, event: str, fields: Mapping[str, object]) -> None:
        self.events.append(event)

    @property
    def item(self) -> WorkItem:
        return self.catalogue.work_items(new_asset().asset_id)[-1]

    @property
    def state(self) -> AssetState:
        return self.catalogue.asset(new_asset().asset_id).state


@pytest.fixture
def bench() -> _Bench:
    clock = FakeClock()
    catalogue = memory_catalogue(clock)
    catalogue.register(new_asset(), actor="ingest")
    return _Bench(catalogue, clock)


def _raises(error: BaseException) -> Work:
    def work(lease: Lease, progress: Progress) -> Outcome:
        raise error

    return work


def test_a_worker_carries_a_video_to_the_end(bench: _Bench) -> None:
    worker = bench.worker()
    while worker.run_once():
        pass
    assert bench.state is AssetState.DELIVERED


def test_without_work_there_is_nothing_to_do(bench: _Bench) -> None:
    bench.catalogue.cancel(new_asset().asset_id, actor="person")
    assert bench.worker().run_once() is False


def test_finished_work_rings_for_what_follows(bench: _Bench) -> None:
    bench.worker().run_once()
    assert [kind for kind, _ in bench.doorbell.rings] == [WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (MediaRefused(reason="truncated"), AssetState.FAILED, "truncated"),
        (ResidualFound(), AssetState.QUARANTINED, "residual_found"),
    ],
)
def test_an_error_for_good_ends_the_journey(bench: _Bench, error: Exception, state: AssetState, reason: str) -> None:
    bench.worker(_raises(error)).run_once()
    assert (bench.state, bench.item.state, bench.item.reason) == (state, WorkState.FAILED, reason)


@pytest.mark.parametrize(("error", "reason"), [(ChildCrashed(), "child_crashed"), (ZeroDivisionError(), "unexpected")])
def test_a_passing_error_is_tried_again_later(bench: _Bench, error: Exception, reason: str) -> None:
    bench.worker(_raises(error)).run_once()
    assert (bench.item.state, bench.item.attempts, bench.item.reason) == (WorkState.QUEUED, 1, reason)
    assert bench.item.due_at > bench.clock.now()


def test_the_words_of_an_error_reach_neither_ledger_nor_audit(bench: _Bench) -> None:
    """P-05: a foreign error may carry a path with a name in it."""
    bench.worker(_raises(OSError("/clinic/Jane Doe 1981/op.mp4"))).run_once()
    written = repr((bench.item, bench.catalogue.audit_events(), bench.events))
    assert "Jane" not in written
    assert "OSError" in written


def test_progress_says_when_the_process_stops_and_the_item_goes_back_uncounted(bench: _Bench) -> None:
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


def test_a_child_that_dies_of_the_same_ctrl_c_costs_no_attempt(bench: _Bench) -> None:
    """C-02: the signal reaches the whole process group."""
    stop = threading.Event()

    def work(lease: Lease, progress: Progress) -> Outcome:
        stop.set()
        raise ChildCrashed()

    bench.worker(work).run(stop)
    assert (bench.item.state, bench.item.attempts) == (WorkState.QUEUED, 0)


def test_an_interrupt_gives_the_lease_back_and_passes(bench: _Bench) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.worker(_raises(KeyboardInterrupt())).run_once()
    assert (bench.item.state, bench.item.attempts) == (WorkState.QUEUED, 0)


def test_a_heart_beats_while_the_handler_works(bench: _Bench) -> None:
    """The deadline moves in the background; the lease outlives its first thirty seconds."""

    def work(lease: Lease, progress: Progress) -> Outcome:
        progress(0.5)
        bench.clock.advance(29.0)
        _until(lambda: bench.item.progress == 0.5)
        bench.clock.advance(29.0)
        assert bench.catalogue.sweep() == 0
        return outcome(lease)

    bench.worker(work, heartbeat_seconds=0.01).run_once()
    assert bench.state is AssetState.MASKING


def test_a_handler_hears_that_its_lease_is_lost_and_the_worker_writes_nothing(bench: _Bench) -> None:
    """O-03: a paused worker finds another owner and leaves the item alone."""
    seen: list[object] = []

    def work(lease: Lease, progress: Progress) -> Outcome:
        bench.clock.advance(30.0)
        bench.catalogue.sweep()
        bench.catalogue.claim(WorkKind, owner="another", lease_seconds=30.0)
        seen.extend([bench.item, bench.catalogue.audit_events()])
        _until(lambda: _raises_stale(progress))
        progress(0.5)
        return outcome(lease)

    bench.worker(work, heartbeat_seconds=0.01).run_once()
    assert [bench.item, bench.catalogue.audit_events()] == seen
    assert bench.events == ["work_started", "lease_lost"]


def test_an_outcome_under_a_lost_lease_is_not_stored(bench: _Bench) -> None:
    """O-03: also when the handler never noticed."""

    def work(lease: Lease, progress: Progress) -> Outcome:
        bench.catalogue.cancel(lease.asset_id, actor="person")
        return outcome(lease)

    bench.worker(work).run_once()
    assert bench.state is AssetState.CANCELLED
    assert bench.catalogue.media_info(new_asset().asset_id) is None
    assert bench.events == ["work_started", "lease_lost"]


def test_an_outcome_that_does_not_fit_fails_the_item(bench: _Bench) -> None:
    bench.worker(lambda lease, progress: _another_outcome(lease)).run_once()
    assert (bench.state, bench.item.reason) == (AssetState.FAILED, "illegal_transition")


def test_a_catalogue_that_was_silent_for_a_moment_still_gets_the_outcome() -> None:
    """O-03: minutes of work are not thrown away for one lost connection."""
    clock = FakeClock()
    catalogue = _Flaky(memory_database(), clock=clock, retry=RETRY)
    catalogue.register(new_asset(), actor="ingest")
    bench = _Bench(catalogue, clock)
    stop = threading.Event()

    def bad_minute(lease: Lease, progress: Progress) -> Outcome:
        catalogue.silent_calls = 2
        stop.set()  # so that the pauses between the tries take no time
        return outcome(lease)

    bench.worker(bad_minute).run(stop)
    assert bench.state is AssetState.MASKING


def test_an_item_that_cannot_be_settled_is_left_to_the_sweeper() -> None:
    clock = FakeClock()
    catalogue = _Flaky(memory_database(), clock=clock, retry=RETRY)
    catalogue.register(new_asset(), actor="ingest")
    bench, stop = _Bench(catalogue, clock), threading.Event()

    def outage(lease: Lease, progress: Progress) -> Outcome:
        catalogue.silent_calls = 10**6
        stop.set()
        return outcome(lease)

    bench.worker(outage).run(stop)
    catalogue.silent_calls = 0
    assert bench.item.state is WorkState.LEASED
    assert "work_not_settled" in bench.events
    clock.advance(30.0)
    assert catalogue.sweep() == 1


def test_the_caretaker_sweeps_when_it_is_time_and_relays_rings(bench: _Bench) -> None:
    caretaker = Caretaker(
        catalogue=bench.catalogue, doorbell=bench.doorbell, clock=bench.clock, sweep_seconds=5.0, on_event=bench.note
    )
    caretaker.tick()
    assert bench.doorbell.rings == [(WorkKind.PLAN, bench.item.item_id)]
    bench.catalogue.claim(WorkKind, owner="dead", lease_seconds=4.0)
    bench.clock.advance(4.0)
    caretaker.tick()
    assert bench.item.state is WorkState.LEASED
    bench.clock.advance(1.0)
    caretaker.tick()
    assert bench.item.state is WorkState.QUEUED
    assert bench.events == ["leases_collected"]
    assert len(bench.doorbell.rings) == 2


def test_worker_and_caretaker_end_when_asked(bench: _Bench) -> None:
    """C-02: threads with the real doorbell stop within a poll."""
    stop, doorbell = threading.Event(), InProcessDoorbell()
    caretaker = Caretaker(catalogue=bench.catalogue, doorbell=doorbell, clock=bench.clock, sweep_seconds=5.0)
    threads = [threading.Thread(target=part.run, args=(stop,)) for part in (caretaker, bench.worker())]
    for thread in threads:
        thread.start()
    _until(lambda: bench.state is AssetState.DELIVERED)
    stop.set()
    for thread in threads:
        thread.join(10.0)
        assert not thread.is_alive()


def test_stopping_gives_back() -> None:
    assert Stopping().disposition is Disposition.ABANDON


class _Flaky(SqlCatalogue):
    """Does not answer the next ``silent_calls`` attempts to settle an item."""

    silent_calls = 0

    def complete(self, lease: Lease, outcome: Outcome) -> None:
        self._maybe_silent()
        super().complete(lease, outcome)

    def fail(self, lease: Lease, failure: Failure) -> None:
        self._maybe_silent()
        super().fail(lease, failure)

    def _maybe_silent(self) -> None:
        if self.silent_calls:
            self.silent_calls -= 1
            raise CatalogueUnavailable()


def _another_outcome(lease: Lease) -> Outcome:
    fields = {name: getattr(lease, name) for name in Lease.__dataclass_fields__}
    return outcome(Lease(**fields | {"kind": WorkKind.DELIVER}))


def _raises_stale(progress: Progress) -> bool:
    try:
        progress(0.5)
    except StaleLease:
        return True
    return False


def _until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; the test's time limit ends it."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.005)
