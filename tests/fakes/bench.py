"""A worker on a catalogue in memory with one asset, a handler that does what a test says, and a way to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import AssetState
from opendrape.domain.work import Lease, Outcome, WorkItem, WorkKind
from opendrape.ledger.worker import Progress, Worker
from tests.fakes.catalogue import new_asset, outcome
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
class Bench:
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


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; the test's time limit ends it."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.005)
