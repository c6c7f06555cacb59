"""What every doorbell must keep: whoever waits is woken, a held ring is settled once, waiting never raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from opendrape.domain.work import WorkKind
from opendrape.ports.catalogue import OutboxRing
from opendrape.ports.doorbell import Doorbell, Fate, Verdict

OVER = Verdict(Fate.OVER)


class DoorbellContract:
    """O-03. ``make`` gives a bell whose queues are empty."""

    make: ClassVar[Callable[[], AbstractContextManager[Doorbell]]]
    soon_seconds: ClassVar[float] = 20.0

    @pytest.fixture
    def bell(self) -> Iterator[Doorbell]:
        with type(self).make() as bell:
            yield bell

    def test_a_ring_before_the_wait_is_heard_once(self, bell: Doorbell) -> None:
        bell.ring(WorkKind.MASK, 7)
        assert bell.wait([WorkKind.MASK, WorkKind.ASSEMBLE], self.soon_seconds)
        assert not bell.wait([WorkKind.MASK, WorkKind.ASSEMBLE], 0.3)

    def test_a_ring_during_the_wait_ends_it(self, bell: Doorbell) -> None:
        assert not bell.wait([WorkKind.DELIVER], 0.0)
        heard: list[bool] = []
        waiter = threading.Thread(target=lambda: heard.append(bell.wait([WorkKind.DELIVER], self.soon_seconds)))
        waiter.start()
        bell.ring(WorkKind.DELIVER, 1)
        waiter.join(self.soon_seconds + 5.0)
        assert heard == [True]

    def test_a_ring_for_another_kind_is_kept_for_those_it_is_for(self, bell: Doorbell) -> None:
        bell.ring(WorkKind.PLAN, 1)
        assert not bell.wait([WorkKind.MASK], 0.3)
        assert bell.wait([WorkKind.PLAN], self.soon_seconds)

    def test_many_rings_at_once_are_all_heard(self, bell: Doorbell) -> None:
        bell.ring_all([OutboxRing(number, WorkKind.MASK, number) for number in (1, 2, 3)])
        assert all(bell.wait([WorkKind.MASK], self.soon_seconds) for _ in range(3))
        assert not bell.wait([WorkKind.MASK], 0.3)

    def test_a_ring_may_be_held_and_is_over_then(self, bell: Doorbell) -> None:
        """A bell whose rings cannot be held answers None; the caller looks into the ledger either way."""
        bell.ring(WorkKind.MASK, 7)
        ring = bell.hold([WorkKind.MASK], self.soon_seconds)
        if ring is not None:
            assert (ring.kind, ring.item_id) == (WorkKind.MASK, 7)
            for _ in range(2):
                ring.settle(OVER)
        assert not bell.wait([WorkKind.MASK], 0.3)

    def test_waiting_takes_no_longer_than_asked(self, bell: Doorbell) -> None:
        for _ in range(2):
            start = time.monotonic()
            assert bell.hold([WorkKind.MASK], 0.1) is None
            assert time.monotonic() - start < 5.0

    def test_a_bell_that_is_well_says_so_and_closes_twice(self, bell: Doorbell) -> None:
        bell.check()
        bell.close()
        bell.close()
        assert not bell.wait([WorkKind.MASK], 0.0)
