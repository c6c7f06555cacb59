"""Whatever workers, crashes, pauses and people do in whatever order: the ledger keeps its promises (O-03)."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.tables import METADATA, artefacts, assets, work_items
from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import ASSET_TERMINAL, WORK_TERMINAL
from opendrape.domain.work import ArtefactKind, Failure, Lease, WorkKind
from opendrape.errors import BlobConflict, Disposition, IllegalTransition, NotFound, StaleLease
from tests.fakes.audit_replay import Replay
from tests.fakes.catalogue import FACES, MINIMAL, RETRY, memory_database, new_asset, outcome
from tests.fakes.clock import FakeClock

LEASE_SECONDS = 30.0
NUMBERS = st.integers(1, 3)
POLICIES = st.sampled_from((FACES, MINIMAL))
# Mostly the latest leases, sometimes one from long ago.
CHOICE = st.one_of(st.integers(0, 2), st.integers(0, 10**6))
REASONS = st.sampled_from(("storage_unavailable", "unexpected", "media_refused", "residual_found"))


class LedgerMachine(RuleBasedStateMachine):
    """Leases are never forgotten by the test: a paused worker comes back with an old one at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.database = self.open_database()
        self.catalogue = SqlCatalogue(self.database, clock=self.clock, retry=RETRY)
        self.leases: list[Lease] = []
        self.handed_out: set[tuple[int, int]] = set()
        self.published: dict[tuple[str, str], str] = {}
        self.contents: dict[tuple[str, str], str] = {}
        self.replay = Replay()
        self.events_seen = 0
        self.completions = 0

    def open_database(self) -> Database:
        """An empty, migrated database; closed at the end."""
        return memory_database()

    # -- people ---------------------------------------------------------------------------------------------------
    @rule(number=NUMBERS, policy=POLICIES)
    def submit(self, number: int, policy: PolicyRef) -> None:
        self.catalogue.register(new_asset(number, policy), actor="ingest")

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        self._unless_refused(lambda: self.catalogue.cancel(new_asset(number).asset_id, actor="person"))

    @rule(number=NUMBERS)
    def retry(self, number: int) -> None:
        self._unless_refused(lambda: self.catalogue.retry(new_asset(number).asset_id, actor="person"))

    @rule(number=NUMBERS)
    def deliver_again(self, number: int) -> None:
        """Another destination, or the output was removed."""
        self._unless_refused(lambda: self.catalogue.deliver_again(new_asset(number).asset_id, actor="person"))

    @rule(number=NUMBERS, is_tidy=st.booleans(), is_same=st.booleans())
    def deliver_twice(self, number: int, is_tidy: bool, is_same: bool) -> None:
        """The whole way twice; the second time from kept results or not, with the same bytes or others."""
        self.submit_and_deliver(number, FACES)
        if is_tidy:
            self.tidy()
        self.deliver_again(number)
        for _ in range(8):
            if self._claim() and is_same:
                self.complete_as_before(0)
            elif self.leases:
                self.complete(0)

    # -- workers --------------------------------------------------------------------------------------------------
    @rule(times=st.integers(1, 3))
    def claim(self, times: int) -> None:
        """One worker, or several that heard the same ring."""
        for _ in range(times):
            self._claim()

    @precondition(lambda self: self.leases)
    @rule(choice=CHOICE)
    def heartbeat(self, choice: int) -> None:
        self._write(choice, lambda lease: self.catalogue.heartbeat(lease, lease_seconds=LEASE_SECONDS, progress=0.5))

    @precondition(lambda self: self.leases)
    @rule(choice=CHOICE)
    def complete(self, choice: int) -> None:
        """By the present owner or one that was paused. No two workers ever bring the same bytes."""
        self.completions += 1
        content = str(self.completions)
        self._write(choice, lambda lease: self._complete(lease, content))

    @precondition(lambda self: self.leases)
    @rule(choice=CHOICE)
    def complete_as_before(self, choice: int) -> None:
        """By a worker that makes of the same source the bytes that were delivered before, if any were."""
        lease = self.leases[-1 - choice % len(self.leases)]
        content = self.contents.get((lease.asset_id, lease.policy.digest), "")
        self._write(choice, lambda lease: self.catalogue.complete(lease, outcome(lease, content=content)))

    @precondition(lambda self: self.leases)
    @rule(choice=CHOICE, disposition=st.sampled_from(Disposition), reason=REASONS)
    def fail(self, choice: int, disposition: Disposition, reason: str) -> None:
        self._write(choice, lambda lease: self.catalogue.fail(lease, Failure(reason, disposition)))

    @rule(items=st.integers(1, 8))
    def work_a_while(self, items: int) -> None:
        """Makes late states likely: a few items end well, each worker with bytes of its own."""
        for _ in range(items):
            if self._claim():
                self.complete(0)

    @rule(number=NUMBERS, policy=POLICIES)
    def submit_and_deliver(self, number: int, policy: PolicyRef) -> None:
        """The same video under one policy, another, and the first one again: a second output must not appear."""
        self.submit(number, policy)
        self.work_a_while(8)

    @rule(number=NUMBERS, policy=POLICIES, ending=st.sampled_from(("fail", "cancel", "heartbeat", "complete")))
    def something_happens_while_two_mask(self, number: int, policy: PolicyRef, ending: str) -> None:
        """The one goes on or down, or a person steps in, while the other is at work."""
        self.submit(number, policy)
        self.work_a_while(1)
        self.claim(2)
        if ending == "cancel" or not self.leases:
            self.cancel(number)
        elif ending == "fail":
            self.fail(0, Disposition.FAIL, "media_refused")
        else:
            getattr(self, ending)(0)

    @rule(number=NUMBERS, act=st.sampled_from(("heartbeat", "complete", "fail")))
    def a_paused_worker_comes_back_after_another_took_over(self, number: int, act: str) -> None:
        """The item is leased, but under a newer epoch: only the fence tells the two workers apart."""
        self.submit(number, FACES)
        paused = self._claim()
        self.crash_of_every_worker()
        while paused and (present := self._claim()):
            if present.item_id == paused.item_id:
                choice = -1 - self.leases.index(paused)
                arguments = (Disposition.FAIL, "media_refused") if act == "fail" else ()
                getattr(self, act)(choice, *arguments)
                break

    # -- time and surroundings ------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from((1.0, LEASE_SECONDS / 2, LEASE_SECONDS, 600.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def crash_of_every_worker(self) -> None:
        self.clock.advance(LEASE_SECONDS)
        self.catalogue.sweep()

    @rule()
    def tidy(self) -> None:
        """Only what is published and at rest is forgotten; then nothing is left to forget."""
        for spent in self.catalogue.spent():
            assert self.catalogue.artefacts(spent.asset_id, spent.policy_digest, ArtefactKind.PUBLISHED)
            assert self.catalogue.forget_results(spent.asset_id, spent.policy_digest, actor="tidier")
        assert not self.catalogue.spent()

    @rule()
    def sweep(self) -> None:
        self.catalogue.sweep()
        assert self.catalogue.sweep() == 0

    @rule(is_lost=st.booleans())
    def redeliver(self, is_lost: bool) -> None:
        """Rings arrive, twice or never: only the claim decides."""
        rings = self.catalogue.take_rings()
        assert self.catalogue.take_rings() == rings
        if is_lost:
            self.catalogue.rings_sent([ring.ring_id for ring in rings])
        else:
            self.claim(times=2)

    # -- promises -------------------------------------------------------------------------------------------------
    @invariant()
    def every_change_of_state_has_its_audit_event(self) -> None:
        """H-09: the audit trail alone gives the same states as the tables, by allowed steps only."""
        events = self.catalogue.audit_events()
        self.replay.follow(events[self.events_seen :])
        self.events_seen = len(events)
        with self.database.read() as connection:
            assert self.replay.assets == {row.asset_id: row.state for row in connection.execute(select(assets))}
            assert self.replay.items == {row.item_id: row.state for row in connection.execute(select(work_items))}

    @invariant()
    def one_output_is_published_per_asset_and_policy_and_never_changes(self) -> None:
        with self.database.read() as connection:
            query = select(artefacts).where(artefacts.c.kind == ArtefactKind.PUBLISHED)
            rows = connection.execute(query).all()
        now = {(row.asset_id, row.policy_digest): row.sha256 for row in rows}
        assert len(now) == len(rows)
        assert now | self.published == now
        self.published = now

    @invariant()
    def no_open_item_belongs_to_an_asset_whose_journey_is_over(self) -> None:
        open_items = {item for item, state in self.replay.items.items() if state not in WORK_TERMINAL}
        with self.database.read() as connection:
            owners = {row.asset_id for row in connection.execute(select(work_items)) if row.item_id in open_items}
        waiting = {asset for asset, state in self.replay.assets.items() if state not in ASSET_TERMINAL}
        assert owners == waiting

    def teardown(self) -> None:
        """Once faults stop, every accepted item and asset ends."""
        for _ in range(200):
            self.clock.advance(600.0)
            self.catalogue.sweep()
            lease = self._claim()
            if lease is None:
                break
            self._write(0, self._complete_well)
        assert self.catalogue.open_items() == 0
        self.every_change_of_state_has_its_audit_event()
        assert set(self.replay.items.values()) <= WORK_TERMINAL
        assert set(self.replay.assets.values()) <= ASSET_TERMINAL
        self.catalogue.close()

    # -- steps ----------------------------------------------------------------------------------------------------
    def _claim(self) -> Lease | None:
        lease = self.catalogue.claim(WorkKind, owner=f"worker-{len(self.leases)}", lease_seconds=LEASE_SECONDS)
        if lease is not None:
            assert (lease.item_id, lease.epoch) not in self.handed_out
            assert lease.attempts <= RETRY.max_attempts
            self.handed_out.add((lease.item_id, lease.epoch))
            self.leases.append(lease)
        return lease

    def _complete(self, lease: Lease, content: str) -> None:
        self.catalogue.complete(lease, outcome(lease, content=content))
        if lease.kind is WorkKind.DELIVER:
            self.contents.setdefault((lease.asset_id, lease.policy.digest), content)

    def _complete_well(self, lease: Lease) -> None:
        self.catalogue.complete(lease, outcome(lease))

    def _write(self, choice: int, act: Callable[[Lease], None]) -> None:
        """Write under some lease, as a worker does: held, it must pass; old, it must leave every table as it was."""
        lease = self.leases[-1 - choice % len(self.leases)]
        holds, before = self._holds(lease), self._dump()
        try:
            act(lease)
            assert holds, "written by an old epoch"
        except StaleLease:
            assert (holds, self._dump()) == (False, before)
        except BlobConflict as error:
            assert (holds, self._dump()) == (True, before)
            self.catalogue.fail(lease, Failure(error.reason, error.disposition))

    def _holds(self, lease: Lease) -> bool:
        with self.database.read() as connection:
            row = connection.execute(select(work_items).where(work_items.c.item_id == lease.item_id)).one()
        return bool(row.state == "leased" and row.lease_epoch == lease.epoch)

    def _dump(self) -> dict[str, list[object]]:
        with self.database.read() as connection:
            return {name: list(connection.execute(select(table))) for name, table in METADATA.tables.items()}

    @staticmethod
    def _unless_refused(act: Callable[[], object]) -> None:
        try:
            act()
        except (IllegalTransition, NotFound):
            return
