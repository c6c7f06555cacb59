"""When the catalogue is silent and who looks after what is left: settling, sweeping, relaying, stopping."""

from __future__ import annotations

import threading

import pytest

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Failure, Lease, Outcome, WorkKind
from opendrape.errors import CatalogueUnavailable
from opendrape.ledger.worker import Caretaker, Progress
from tests.fakes.bench import Bench, until
from tests.fakes.catalogue import RETRY, memory_catalogue, memory_database, new_asset, outcome
from tests.fakes.clock import FakeClock


@pytest.fixture
def bench() -> Bench:
    clock = FakeClock()
    catalogue = memory_catalogue(clock)
    catalogue.register(new_asset(), actor="ingest")
    return Bench(catalogue, clock)


def test_a_catalogue_that_was_silent_for_a_moment_still_gets_the_outcome() -> None:
    """O-03: minutes of work are not thrown away for one lost connection."""
    clock = FakeClock()
    catalogue = _Flaky(memory_database(), clock=clock, retry=RETRY)
    catalogue.register(new_asset(), actor="ingest")
    bench = Bench(catalogue, clock)
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
    bench, stop = Bench(catalogue, clock), threading.Event()

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


def test_the_caretaker_sweeps_when_it_is_time_and_relays_rings(bench: Bench) -> None:
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


def test_worker_and_caretaker_end_when_asked(bench: Bench) -> None:
    """C-02: threads with the real doorbell stop within a poll."""
    stop, doorbell = threading.Event(), InProcessDoorbell()
    caretaker = Caretaker(catalogue=bench.catalogue, doorbell=doorbell, clock=bench.clock, sweep_seconds=5.0)
    threads = [threading.Thread(target=part.run, args=(stop,)) for part in (caretaker, bench.worker())]
    for thread in threads:
        thread.start()
    until(lambda: bench.state is AssetState.DELIVERED)
    stop.set()
    for thread in threads:
        thread.join(10.0)
        assert not thread.is_alive()


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
