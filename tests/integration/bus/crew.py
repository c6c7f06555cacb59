"""Real workers and a caretaker over a SQLite ledger and a doorbell, with a handler that does what a test says."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import Lease, Outcome, RetryRule, WorkKind
from opendrape.ledger.worker import Caretaker, Progress, Worker
from opendrape.ports.doorbell import Doorbell
from tests.fakes.catalogue import new_asset, outcome

Work = Callable[[Lease, Progress], Outcome]
SOON_SECONDS = 60.0


def does_it(lease: Lease, progress: Progress) -> Outcome:
    """The outcome at once."""
    return outcome(lease)


@dataclass
class Crew:
    """Workers over one ledger. ``events`` are those of all of them."""

    catalogue: SqlCatalogue
    doorbell: Doorbell
    work: Work = does_it
    kinds: frozenset[WorkKind] = frozenset(WorkKind)
    events: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        return self.work(lease, progress)

    def note(self, event: str, fields: Mapping[str, object]) -> None:
        self.events.append(event)

    @contextmanager
    def at_work(self, workers: int = 3) -> Iterator[None]:
        """They work while the context lasts."""
        clock = SystemClock()
        caretaker = Caretaker(
            catalogue=self.catalogue, doorbell=self.doorbell, clock=clock, sweep_seconds=1.0, on_event=self.note
        )
        crew = [
            Worker(
                catalogue=self.catalogue,
                doorbell=self.doorbell,
                clock=clock,
                handler=self,
                owner=f"worker-{number}",
                lease_seconds=30.0,
                heartbeat_seconds=5.0,
                on_event=self.note,
            )
            for number in range(workers)
        ]
        threads = [threading.Thread(target=self._live, args=(part,)) for part in (caretaker, *crew)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(30.0)
        assert self.errors == []
        assert not any(thread.is_alive() for thread in threads)

    def _live(self, part: Caretaker | Worker) -> None:
        try:
            part.run(self.stop)
        except BaseException as error:  # noqa: BLE001 - a thread's edge
            self.errors.append(error)

    def register(self, assets: int) -> None:
        """So many videos of two chunks each: five items a video."""
        for number in range(1, assets + 1):
            self.catalogue.register(new_asset(number), actor="ingest")

    def is_all_delivered(self) -> bool:
        """Nothing is left to do and everything arrived."""
        counts = self.catalogue.count_assets()
        return self.catalogue.open_items() == 0 and counts[AssetState.DELIVERED] == sum(counts.values())

    def assert_each_item_ended_once(self, assets: int) -> None:
        """By the audit: one end per item, whatever the bus did."""
        events = [event for event in self.catalogue.audit_events() if event.action == f"work.{WorkState.DONE}"]
        ends = Counter(event.facts["item"] for event in events)
        assert len(ends) == 5 * assets
        assert set(ends.values()) == {1}


@contextmanager
def crew_on(folder: Path, doorbell: Doorbell, **more: object) -> Iterator[Crew]:
    """A crew with a ledger in a file."""
    retry = RetryRule(max_attempts=4, first_delay_seconds=0.2)
    url = f"sqlite:///{folder}/catalogue.sqlite3"
    with closing(open_catalogue(url, clock=SystemClock(), retry=retry)) as catalogue:
        yield Crew(catalogue, doorbell, **more)  # type: ignore[arg-type]


def eventually(condition: Callable[[], bool], seconds: float = SOON_SECONDS) -> None:
    """Wait for other threads, a bounded time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)
