"""A worker works on the item that it was rung for, and what the ledger says then settles the ring (O-03, O-04)."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import WorkState
from opendrape.domain.work import Lease, Outcome, WorkKind
from opendrape.errors import CatalogueUnavailable, ChildCrashed, MediaRefused, ResidualFound
from opendrape.ledger.worker import Progress
from opendrape.ports.doorbell import Fate, HeldRing, Verdict
from tests.fakes.bench import Bench, Work
from tests.fakes.catalogue import RETRY, memory_database, new_asset, outcome
from tests.fakes.clock import FakeClock
from tests.fakes.doorbell import RecordingDoorbell

OVER, BACK = Verdict(Fate.OVER), Verdict(Fate.BACK)


@dataclass
class Ring(HeldRing):
    """Remembers its verdicts."""

    kind: WorkKind = WorkKind.PLAN
    item_id: int = 1
    verdicts: list[Verdict] = field(default_factory=list)

    def settle(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)


class OneRing(RecordingDoorbell):
    """Hands one ring out, then stops the worker."""

    def __init__(self, ring: Ring, stop: threading.Event) -> None:
        super().__init__()
        self._ring: Ring | None = ring
        self._stop = stop

    def hold(self, kinds: Collection[WorkKind], timeout_seconds: float) -> HeldRing | None:
        ring, self._ring = self._ring, None
        if ring is None:
            self._stop.set()
        return ring


class Quiet(SqlCatalogue):
    """Does not answer the next calls of ``claim_item``."""

    silent_claims = 0

    def claim_item(self, item_id: int, *, owner: str, lease_seconds: float) -> Lease | None:
        if self.silent_claims:
            self.silent_claims -= 1
            raise CatalogueUnavailable
        return super().claim_item(item_id, owner=owner, lease_seconds=lease_seconds)


@pytest.fixture
def bench() -> Bench:
    clock = FakeClock()
    catalogue = Quiet(memory_database(), clock=clock, retry=RETRY)
    catalogue.register(new_asset(), actor="ingest")
    return Bench(catalogue, clock)


def answers(bench: Bench, work: Work, ring: Ring | None = None) -> list[Verdict]:
    """What became of the ring."""
    stop, ring = threading.Event(), ring or Ring()
    bench.doorbell = OneRing(ring, stop)
    worker = bench.worker(work)
    _stops[0] = stop
    worker.run(stop)
    return ring.verdicts


_stops: list[threading.Event] = [threading.Event()]


def does_it(lease: Lease, progress: Progress) -> Outcome:
    return outcome(lease)


def test_a_finished_item_is_over(bench: Bench) -> None:
    assert answers(bench, does_it) == [OVER]
    assert bench.catalogue.item(1).state is WorkState.DONE


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MediaRefused(reason="truncated"), Verdict(Fate.DEAD, "truncated")),
        (ResidualFound(), Verdict(Fate.DEAD, "residual_found")),
        (ChildCrashed(), OVER),
    ],
)
def test_poison_is_kept_aside_and_a_passing_error_is_rung_for_again_by_the_ledger(
    bench: Bench, error: Exception, verdict: Verdict
) -> None:
    def fails(lease: Lease, progress: Progress) -> Outcome:
        raise error

    assert answers(bench, fails) == [verdict]


def test_a_passing_error_that_used_up_the_attempts_is_kept_aside(bench: Bench) -> None:
    def crashes(lease: Lease, progress: Progress) -> Outcome:
        raise ChildCrashed

    verdicts: list[Verdict] = []
    for _ in range(RETRY.max_attempts):
        verdicts += answers(bench, crashes)
        bench.clock.advance(3600.0)
    assert verdicts == [OVER] * (RETRY.max_attempts - 1) + [Verdict(Fate.DEAD, "child_crashed")]


def test_what_a_stopping_worker_gives_back_is_rung_back(bench: Bench) -> None:
    def is_stopped(lease: Lease, progress: Progress) -> Outcome:
        _stops[0].set()
        progress(0.5)
        raise AssertionError("progress must have raised")

    assert answers(bench, is_stopped) == [BACK]
    assert (bench.item.state, bench.item.attempts) == (WorkState.QUEUED, 0)


def test_an_interrupt_rings_back_and_passes(bench: Bench) -> None:
    ring = Ring()

    def interrupted(lease: Lease, progress: Progress) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers(bench, interrupted, ring)
    assert ring.verdicts == [BACK]


def test_an_item_that_somebody_else_has_is_left_alone(bench: Bench) -> None:
    lease = bench.catalogue.claim(WorkKind, owner="another", lease_seconds=30.0)
    assert answers(bench, does_it) == [OVER]
    assert lease is not None
    bench.catalogue.complete(lease, outcome(lease))


def test_a_second_ring_for_a_finished_item_is_over(bench: Bench) -> None:
    assert answers(bench, does_it) + answers(bench, does_it) == [OVER, OVER]


def test_a_ring_for_no_item_of_ours_is_kept_aside(bench: Bench) -> None:
    assert answers(bench, does_it, Ring(item_id=4711)) == [Verdict(Fate.DEAD, "ring_item_unknown")]


def test_a_silent_ledger_is_waited_for_with_the_ring_in_hand(bench: Bench) -> None:
    assert isinstance(bench.catalogue, Quiet)
    bench.catalogue.silent_claims = 1
    assert answers(bench, does_it) == [OVER]
    assert bench.catalogue.item(1).state is WorkState.DONE
