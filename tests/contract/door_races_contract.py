"""What the door's records keep when two replicas and many threads want the same at once (H-04, H-05, H-08, I-01)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.uploads import UploadState
from opendrape.errors import OpenDrapeError
from opendrape.ports.buckets import Rate
from opendrape.ports.door import DoorRecords
from opendrape.ports.replays import Reservation
from opendrape_gateway.rates import RateGate
from opendrape_gateway.refusal import Refusal
from tests.contract.door_contract import ROOMY, Opened, begin, endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import register

Make = Callable[[Path, FakeClock], AbstractContextManager[tuple[SqlCatalogue, DoorRecords]]]
Answer = TypeVar("Answer")
AT_ONCE = 10


class DoorRacesContract:
    """Subclasses set ``make``, which opens one database as often as it is called."""

    make: Make

    @pytest.fixture
    def replicas(self, tmp_path: Path) -> Iterator[tuple[Opened, Opened]]:
        clock = FakeClock()
        with ExitStack() as stack:
            opened = [stack.enter_context(self.make(tmp_path, clock)) for _ in range(2)]
            first, second = (Opened(door, catalogue, clock) for catalogue, door in opened)
            yield first, second

    def test_two_replicas_together_let_as_many_requests_pass_as_one_rate_allows(
        self, replicas: tuple[Opened, Opened]
    ) -> None:
        """H-08: thirty requests at once at each of two gates; twenty pass."""
        rate = Rate(burst=20, per_second=1)
        gates = [RateGate(one.door.buckets, rate, one.clock.monotonic) for one in replicas]

        async def passes(gate: RateGate) -> bool:
            try:
                await gate.spend("anna")
            except Refusal:
                return False
            return True

        async def everybody() -> int:
            passed = sum(await asyncio.gather(*(passes(gate) for gate in gates for _ in range(30))))
            for gate in gates:  # what a gate has drawn and not yet spent
                while await passes(gate):
                    passed += 1
            return passed

        assert asyncio.run(everybody()) == 20

    def test_of_many_connections_at_one_offset_one_moves_it(self, replicas: tuple[Opened, Opened]) -> None:
        """I-01: each takes the upload over from the one before; only the last one's bytes count."""
        begin(replicas[0], length=100)

        def write(number: int) -> str:
            uploads = replicas[number % 2].door.uploads
            try:
                taken = uploads.take("up-1", offset=0)
                uploads.advance("up-1", epoch=taken.epoch, offset=10)
            except OpenDrapeError as error:
                return error.reason
            return "moved"

        ended = Counter(_all_at_once(write))
        assert ended["moved"] == 1
        assert set(ended) <= {"moved", "upload_taken_over", "upload_offset"}
        assert replicas[0].door.uploads.get("up-1").offset == 10

    def test_an_upload_ended_twice_at_once_ends_once(self, replicas: tuple[Opened, Opened]) -> None:
        """I-01: one change of state, one event."""
        begin(replicas[0], length=10)

        def end(number: int) -> str:
            uploads = replicas[number % 2].door.uploads
            return uploads.close("up-1", UploadState.TERMINATED, actor="anna").state

        assert set(_all_at_once(end)) == {UploadState.TERMINATED}
        actions = Counter(event.action for event in replicas[0].catalogue.audit_events("up-1"))
        assert actions == {"upload.created": 1, "upload.terminated": 1}

    def test_one_name_cannot_begin_two_uploads(self, replicas: tuple[Opened, Opened]) -> None:
        """I-01: whatever the replica."""

        def start(number: int) -> str:
            try:
                begin(replicas[number % 2])
            except OpenDrapeError as error:
                return error.reason
            return "begun"

        assert Counter(_all_at_once(start)) == {"begun": 1, "catalogue_conflict": AT_ONCE - 1}
        assert ROOMY.open_uploads > AT_ONCE

    def test_a_key_that_is_let_go_and_wanted_at_once_is_held_by_one_at_a_time(
        self, replicas: tuple[Opened, Opened]
    ) -> None:
        """H-04: reserving meets releasing; nobody gets an error, and never do two hold it."""
        holders: set[int] = set()
        together: list[int] = []

        def hold(number: int) -> int:
            replays, mine = replicas[number % 2].door.replays, 0
            for _ in range(8):
                found = replays.reserve("r", fingerprint="f", holder=str(number), hold_seconds=60, keep_seconds=3600)
                if found is Reservation.MINE:
                    holders.add(number)
                    together.append(len(holders))
                    holders.discard(number)
                    replays.release("r", holder=str(number))
                    mine += 1
            return mine

        assert sum(_all_at_once(hold)) >= 1
        assert set(together) == {1}

    def test_of_many_webhooks_at_once_only_as_many_as_allowed_are_added(self, replicas: tuple[Opened, Opened]) -> None:
        """H-02: ten at once, three allowed."""

        def add(number: int) -> str:
            opened = replicas[number % 2]
            try:
                opened.door.webhooks.add(endpoint(opened, f"wh-{number}", "anna"), most=3)
            except OpenDrapeError as error:
                return error.reason
            return "added"

        assert Counter(_all_at_once(add)) == {"added": 3, "webhook_too_many": AT_ONCE - 3}

    def test_every_new_secret_counts(self, replicas: tuple[Opened, Opened]) -> None:
        """H-02: two that ask for one at once get two."""
        replicas[0].door.webhooks.add(endpoint(replicas[0], "wh-a", "anna"), most=5)
        found = _all_at_once(lambda n: replicas[n % 2].door.webhooks.change("wh-a", new_secret=True).secret_version)
        assert sorted(found) == list(range(2, AT_ONCE + 2))

    def test_an_event_is_fanned_out_once_and_a_delivery_claimed_once(self, replicas: tuple[Opened, Opened]) -> None:
        """H-02: however many senders there are."""
        first = replicas[0]
        first.door.webhooks.add(endpoint(first, "wh-a", "anna", sees_all=True), most=5)
        for number in range(6):
            register(first.catalogue, number)
        fanned = _all_at_once(lambda n: replicas[n % 2].door.webhooks.fan_out(limit=100))
        # what another sender holds is passed over: the next sweep takes what is left
        assert sum(fanned) + first.door.webhooks.fan_out(limit=100) == 6
        claimed = _all_at_once(lambda n: replicas[n % 2].door.webhooks.claim(limit=1, hold_seconds=30))
        claimed.append(first.door.webhooks.claim(limit=9, hold_seconds=30))
        told = [delivery.event_id for some in claimed for delivery, _ in some]
        assert len(told) == len(set(told)) == 6

    def test_a_bucket_that_is_forgotten_while_it_is_drawn_from_is_made_anew(
        self, replicas: tuple[Opened, Opened]
    ) -> None:
        """H-08: cleaning up costs nobody an error."""
        rate = Rate(burst=5, per_second=1)

        def draw_or_forget(number: int) -> float:
            buckets = replicas[number % 2].door.buckets
            if number % 3 == 0:
                return float(sum(buckets.forget_full(idle_seconds=-1) for _ in range(8)))
            return sum(buckets.draw("b", want=1, rate=rate).tokens for _ in range(8))

        assert sum(_all_at_once(draw_or_forget)) > 0
        replicas[0].clock.advance(timedelta(hours=1).total_seconds())
        assert replicas[1].door.buckets.draw("b", want=9, rate=rate).tokens == 5


def _all_at_once(act: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, range(AT_ONCE)))
