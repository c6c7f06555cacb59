"""O-03 on a real PostgreSQL: many at once, a crash in the middle, starters that race, errors that tell nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.database import open_database
from opendrape.adapters.sql.migrate import is_current
from opendrape.adapters.sql.postgresql import Limits
from opendrape.adapters.sql.tables import METADATA
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.states import AssetState
from opendrape.domain.work import Lease, RetryRule, WorkKind
from opendrape.errors import CatalogueUnavailable, ConfigurationError, IllegalTransition, StaleLease
from tests.fakes.audit_replay import Replay
from tests.fakes.catalogue import MINIMAL, new_asset, outcome
from tests.servers.postgresql import PASSWORD, PostgreSQL

CLAIMERS = 32
ASSETS = 24
QUICK = Limits(pool_size=4, connect_seconds=2.0, statement_seconds=2.0, lock_seconds=0.2)


def _open(url: str, limits: Limits = Limits()) -> SqlCatalogue:
    return open_catalogue(url, clock=SystemClock(), retry=RetryRule(), limits=limits)


def _all_at_once(work: Callable[[int], None], number: int) -> None:
    """Run in so many threads; what one raises, the test raises."""
    trouble: list[BaseException] = []

    def live(index: int) -> None:
        try:
            work(index)
        except BaseException as error:  # noqa: BLE001 - a thread's edge: raised again below
            trouble.append(error)

    threads = [threading.Thread(target=live, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


@pytest.fixture
def shared(catalogue_url: str) -> Iterator[list[SqlCatalogue]]:
    """Four catalogues of one database, as four pods have them."""
    opened = [_open(catalogue_url) for _ in range(4)]
    yield opened
    for catalogue in opened:
        catalogue.close()


def _assert_delivered_once(catalogue: SqlCatalogue, done: list[int]) -> None:
    """Every item done exactly once, every asset delivered, and the audit trail tells the same story."""
    kinds = Counter(item.kind for number in range(ASSETS) for item in catalogue.work_items(new_asset(number).asset_id))
    per_asset = {WorkKind.PLAN: 1, WorkKind.MASK: 2, WorkKind.ASSEMBLE: 1, WorkKind.DELIVER: 1}
    assert kinds == {kind: ASSETS * times for kind, times in per_asset.items()}
    assert sorted(done) == sorted(set(done))
    assert catalogue.count_assets()[AssetState.DELIVERED] == ASSETS
    replay = Replay().follow(catalogue.audit_events())
    assert set(replay.assets.values()) == {AssetState.DELIVERED}
    assert set(replay.items.values()) == {"done"}


def test_32_claimers_share_the_work_and_nothing_is_handed_out_twice_or_lost(shared: list[SqlCatalogue]) -> None:
    """O-03: the whole journey of many assets, every claimer takes whatever is due."""
    for number in range(ASSETS):
        shared[0].register(new_asset(number), actor="ingest")
    leases: list[Lease] = []

    def work(index: int) -> None:
        catalogue = shared[index % len(shared)]
        while catalogue.open_items():
            if lease := catalogue.claim(WorkKind, owner=f"worker-{index}", lease_seconds=60.0):
                leases.append(lease)
                catalogue.complete(lease, outcome(lease))

    _all_at_once(work, CLAIMERS)
    assert {lease.epoch for lease in leases} == {1}
    assert len(leases) == ASSETS * 5
    _assert_delivered_once(shared[0], [lease.item_id for lease in leases])


def test_a_crash_of_the_database_in_the_middle_delays_and_loses_nothing(
    postgresql: PostgreSQL, shared: list[SqlCatalogue]
) -> None:
    """O-03: stopped ``immediate``, twice, and started again: what was acknowledged stays, the rest is done."""
    for number in range(ASSETS):
        shared[0].register(new_asset(number), actor="ingest")
    done: list[int] = []
    silences = Counter[str]()
    crash_now = threading.Event()
    pause = threading.Event()

    def patiently(act: Callable[[], object]) -> object:
        while True:
            try:
                return act()
            except CatalogueUnavailable as error:
                silences[error.reason] += 1
                pause.wait(0.05)

    def work(index: int) -> None:
        catalogue = shared[index % len(shared)]
        while patiently(catalogue.open_items):
            patiently(catalogue.sweep)
            lease = patiently(lambda: catalogue.claim(WorkKind, owner=f"worker-{index}", lease_seconds=2.0))
            if isinstance(lease, Lease):
                _settle(catalogue, lease, patiently, done)
            if len(done) >= ASSETS:
                crash_now.set()

    def crash() -> None:
        assert crash_now.wait(60)
        postgresql.restart(immediate=True)
        postgresql.restart(immediate=True)

    crasher = threading.Thread(target=crash)
    crasher.start()
    _all_at_once(work, 8)
    crasher.join()
    assert silences
    _assert_delivered_once(shared[0], done)


def _settle(
    catalogue: SqlCatalogue, lease: Lease, patiently: Callable[[Callable[[], object]], object], done: list[int]
) -> None:
    try:
        patiently(lambda: catalogue.complete(lease, outcome(lease)))
    except StaleLease:
        return  # the commit passed though its answer was lost, or the lease ran out meanwhile
    done.append(lease.item_id)


def test_a_claim_skips_what_another_claim_holds_and_never_waits(shared: list[SqlCatalogue], catalogue_url: str) -> None:
    """O-03: FOR UPDATE SKIP LOCKED."""
    for number in range(2):
        shared[0].register(new_asset(number), actor="ingest")
    with closing(open_database(catalogue_url)) as other, other.write() as holding:
        held = holding.exec_driver_sql(
            "SELECT item_id FROM work_items ORDER BY item_id LIMIT 1 FOR UPDATE"
        ).scalar_one()
        lease = shared[0].claim(WorkKind, owner="worker", lease_seconds=60.0)
        assert lease is not None
        assert lease.item_id != held
        assert shared[0].claim(WorkKind, owner="worker", lease_seconds=60.0) is None


def test_the_last_two_chunks_finished_at_once_queue_assembling_exactly_once(shared: list[SqlCatalogue]) -> None:
    """O-03: neither may believe that the other does it, and not both may do it."""
    for number in range(10):
        shared[0].register(new_asset(number), actor="ingest")
        plan = shared[0].claim([WorkKind.PLAN], owner="planner", lease_seconds=60.0)
        assert plan is not None
        shared[0].complete(plan, outcome(plan, chunks=4))
        leases = [shared[0].claim([WorkKind.MASK], owner="worker", lease_seconds=60.0) for _ in range(4)]
        together = threading.Barrier(4)

        def complete(index: int, leases: list[Lease | None] = leases, together: threading.Barrier = together) -> None:
            lease = leases[index]
            assert lease is not None
            together.wait()
            shared[index].complete(lease, outcome(lease))

        _all_at_once(complete, 4)
        assert shared[0].queue_depth()[WorkKind.ASSEMBLE] == number + 1


def test_one_content_registered_by_many_at_once_is_one_asset(shared: list[SqlCatalogue]) -> None:
    """I-06: the loser of the race finds the winner's row instead of an error."""
    answers: list[tuple[str, bool]] = []

    def register(index: int) -> None:
        answer = shared[index % len(shared)].register(new_asset(), actor="ingest")
        answers.append((answer.asset.asset_id, answer.accepted))

    _all_at_once(register, 16)
    assert Counter(answers) == {(new_asset().asset_id, True): 1, (new_asset().asset_id, False): 15}


def test_people_and_workers_at_one_asset_never_block_each_other_for_good(shared: list[SqlCatalogue]) -> None:
    """O-03: cancel, retry, sweep, claim, complete and another policy at once: no dead end, no half state."""
    shared[0].register(new_asset(), actor="ingest")
    asset_id = new_asset().asset_id

    def quarrel(index: int) -> None:
        catalogue = shared[index % len(shared)]
        acts: tuple[Callable[[], object], ...] = (
            lambda: catalogue.cancel(asset_id, actor="person"),
            lambda: catalogue.retry(asset_id, actor="person"),
            lambda: catalogue.register(new_asset(policy=MINIMAL), actor="ingest"),
            lambda: catalogue.sweep(),
        )
        for turn in range(8):
            try:
                if index % 2:
                    acts[(index + turn) % len(acts)]()
                elif lease := catalogue.claim(WorkKind, owner="worker", lease_seconds=0.001):
                    catalogue.complete(lease, outcome(lease))
            except (IllegalTransition, StaleLease):
                continue

    _all_at_once(quarrel, 12)
    Replay().follow(shared[0].audit_events())


def test_pods_that_start_at_once_on_an_empty_database_all_find_it_ready(empty_url: str) -> None:
    """O-02: migrations under an advisory lock."""
    code = (
        "import sys; from opendrape.adapters.sql.catalogue import open_catalogue as o;"
        "from opendrape.adapters.system_clock import SystemClock; from opendrape.domain.work import RetryRule;"
        "url = sys.stdin.readline().strip(); o(url, clock=SystemClock(), retry=RetryRule()).check()"
    )
    starters = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) for _ in range(4)]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write(empty_url + "\n")
        starter.stdin.flush()
    assert [starter.wait(60) for starter in starters] == [0] * 4
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()


def test_the_migrations_make_exactly_the_tables_of_this_build_also_here(catalogue_url: str) -> None:
    with closing(open_database(catalogue_url)) as database, database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_schema_that_a_newer_version_made_is_not_worked_on(catalogue_url: str) -> None:
    """O-02: an old pod that starts late does not corrupt; one that runs says that it is not ready."""
    with closing(_open(catalogue_url)) as running:
        with closing(open_database(catalogue_url)) as database, database.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigurationError) as refused:
            _open(catalogue_url)
        assert refused.value.reason == "schema_unknown"
        with pytest.raises(CatalogueUnavailable) as not_ready:
            running.check()
        assert not_ready.value.reason == "schema_not_current"


def test_a_row_that_somebody_holds_and_a_slow_statement_are_waited_for_only_so_long(catalogue_url: str) -> None:
    """H-07: a catalogue that hangs is unavailable, not silent."""
    with closing(_open(catalogue_url, QUICK)) as catalogue, closing(open_database(catalogue_url, QUICK)) as other:
        catalogue.register(new_asset(), actor="ingest")
        with other.write() as holding:
            holding.exec_driver_sql("SELECT * FROM assets FOR UPDATE")
            with pytest.raises(CatalogueUnavailable):
                catalogue.cancel(new_asset().asset_id, actor="person")
        with pytest.raises(CatalogueUnavailable), other.read() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(30)")
        assert is_current(other)


def test_a_frozen_or_wrong_database_is_unavailable_and_no_error_tells_password_or_address(
    postgresql: PostgreSQL, catalogue_url: str
) -> None:
    """P-05: neither in the message nor in the chain of causes that a log could show."""
    wrong = catalogue_url.replace(PASSWORD, "wrong-" + PASSWORD)
    nowhere = catalogue_url.replace(f":{postgresql.port}/", ":1/")
    unparsable = catalogue_url.replace(f":{postgresql.port}/", ":not-a-port/")
    for url, kind in ((wrong, CatalogueUnavailable), (nowhere, CatalogueUnavailable), (unparsable, ConfigurationError)):
        with pytest.raises(kind) as refused:
            _open(url, QUICK)
        told: list[str] = []
        error: BaseException | None = refused.value
        while error is not None:
            told += [str(error), repr(error)]
            error = error.__cause__
        assert not any(PASSWORD in text for text in told)
        assert "127.0.0.1" not in str(refused.value)


def test_a_pool_never_grows_beyond_its_size(postgresql: PostgreSQL, catalogue_url: str) -> None:
    """O-02: pods times pool size is known, so PostgreSQL is never overrun."""
    name = catalogue_url.rpartition("/")[2]
    with closing(_open(catalogue_url, Limits(pool_size=3))) as catalogue:
        _all_at_once(lambda _index: [catalogue.count_assets() for _ in range(10)], 12)  # type: ignore[arg-type,return-value]
        rows = postgresql.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert int(str(rows[0][0])) <= 3
