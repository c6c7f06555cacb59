"""What the SQL adapter owes beyond the port: threads, migrations, durability, errors, PostgreSQL's words."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from opendrape.adapters.sql import database as database_module
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.database import open_database
from opendrape.adapters.sql.migrate import migrate
from opendrape.adapters.sql.tables import METADATA, artefacts, assets, work_items
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.states import AssetState
from opendrape.domain.work import ArtefactKind, Failure, Lease, RetryRule, WorkKind
from opendrape.errors import CatalogueUnavailable, ConfigurationError, Disposition
from tests.fakes.audit_replay import Replay
from tests.fakes.catalogue import FACES, RETRY, memory_database, new_asset, outcome
from tests.fakes.clock import FakeClock
from tests.fakes.killing import kill_points, killed_at

WRITING_MODULES = tuple(
    f"opendrape.adapters.sql.{name}"
    for name in ("database", "ledger", "items", "progression", "results", "transaction")
)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/catalogue.sqlite3"


def _open(folder: Path, clock: FakeClock | None = None) -> SqlCatalogue:
    return open_catalogue(_url(folder), clock=clock or FakeClock(), retry=RETRY)


def test_no_two_threads_get_the_same_epoch_of_an_item(tmp_path: Path) -> None:
    """O-03: eight threads on two catalogues of one file; every item is handed out exactly once."""
    catalogues = [_open(tmp_path), _open(tmp_path)]
    for number in range(40):
        catalogues[0].register(new_asset(number), actor="ingest")
    leases: list[Lease] = []

    def work(catalogue: SqlCatalogue) -> None:
        while lease := catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0):
            leases.append(lease)

    threads = [threading.Thread(target=work, args=(catalogues[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == len({(lease.item_id, lease.epoch) for lease in leases}) == 40
    for catalogue in catalogues:
        catalogue.close()


def test_several_processes_may_start_on_an_empty_folder_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from opendrape.adapters.sql.catalogue import open_catalogue as o;"
        "from opendrape.adapters.system_clock import SystemClock; from opendrape.domain.work import RetryRule;"
        "sys.stdin.read(1); o(sys.argv[1], clock=SystemClock(), retry=RetryRule()).check()"
    )
    arguments = [sys.executable, "-c", code, _url(tmp_path)]
    starters = [subprocess.Popen(arguments, stdin=subprocess.PIPE) for _ in range(3)]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write(b"x")
        starter.stdin.flush()
    for starter in starters:
        starter.communicate()
        assert starter.returncode == 0


def test_the_migrations_make_exactly_the_tables_of_this_build() -> None:
    with memory_database().read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        made = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
    bare = open_database("sqlite://")
    with bare.write() as connection:
        METADATA.create_all(connection)
        wanted = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
    for name, statement in wanted.items():
        for promise in ("AUTOINCREMENT", "CHECK", "WHERE", "FOREIGN KEY", "UNIQUE"):
            assert (statement or "").count(promise) == (made[name] or "").count(promise), (name, promise)


def test_a_schema_of_another_version_is_not_ready() -> None:
    """H-07: readiness really asks."""
    database = open_database("sqlite://")
    catalogue = SqlCatalogue(database, clock=FakeClock(), retry=RETRY)
    with pytest.raises(CatalogueUnavailable) as refused:
        catalogue.check()
    assert refused.value.reason == "schema_not_current"
    migrate(database)
    catalogue.check()


def test_the_file_is_synchronous_write_ahead_and_checks_references(tmp_path: Path) -> None:
    """O-03: what was committed survives a power cut."""
    catalogue = _open(tmp_path)
    with closing(open_database(_url(tmp_path))) as database, database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    catalogue.close()


def test_the_database_itself_refuses_a_second_published_output() -> None:
    """O-03: even code that forgot to ask cannot publish twice."""
    database, clock = memory_database(), FakeClock()
    SqlCatalogue(database, clock=clock, retry=RETRY).register(new_asset(), actor="ingest")
    row = {
        "asset_id": new_asset().asset_id,
        "policy_digest": FACES.digest,
        "kind": ArtefactKind.PUBLISHED,
        "name": "n",
        "sha256": "0" * 64,
        "size_bytes": 1,
        "created_at": clock.now(),
    }
    with pytest.raises(CatalogueUnavailable) as refused, database.write() as connection:
        connection.execute(insert(artefacts), [row | {"chunk": -1}, row | {"chunk": 0}])
    assert refused.value.reason == "catalogue_conflict"


def test_a_locked_database_is_unavailable_a_broken_one_is_told_and_neither_tells_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-05: neither statements' values nor paths in the error."""
    monkeypatch.setattr(database_module, "_BUSY_MILLISECONDS", 1)
    catalogue = _open(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogueUnavailable) as locked:
            catalogue.register(new_asset(), actor="ingest")
    catalogue.close()
    for name in ("catalogue.sqlite3", "catalogue.sqlite3-wal"):
        (tmp_path / name).write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError) as broken:
        _open(tmp_path)
    said = f"{locked.value} {broken.value}"
    assert new_asset().asset_id not in said
    assert str(tmp_path) not in said


def test_an_item_with_no_attempts_left_is_never_handed_out_and_does_not_wait_for_ever() -> None:
    """O-04: the allowed number of attempts was lowered while the item waited."""
    database, clock = memory_database(), FakeClock()
    generous = SqlCatalogue(database, clock=clock, retry=RETRY)
    strict = SqlCatalogue(database, clock=clock, retry=RetryRule(max_attempts=1))
    generous.register(new_asset(), actor="ingest")
    lease = generous.claim(WorkKind, owner="worker", lease_seconds=30.0)
    assert lease is not None
    generous.fail(lease, Failure("storage_unavailable", Disposition.RETRY))
    clock.advance(60.0)
    assert strict.claim(WorkKind, owner="worker", lease_seconds=30.0) is None
    assert (strict.sweep(), strict.open_items()) == (1, 0)
    assert strict.asset(new_asset().asset_id).reason == "attempts_exhausted"


@pytest.mark.parametrize("url", ["not a url", "nosuchdatabase://x"])
def test_a_url_that_is_none_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_catalogue(url, clock=SystemClock(), retry=RETRY)


def test_every_table_and_index_can_be_said_to_postgresql() -> None:
    for table in METADATA.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=postgresql.dialect()))


def test_a_writer_killed_anywhere_leaves_whole_transactions_and_the_next_one_finishes(tmp_path: Path) -> None:
    """O-03: kill -9 at 25 seeded lines of the writing code; what was acknowledged is there, nothing is half there."""
    folder = tmp_path / "life"

    def journey() -> None:
        folder.mkdir(exist_ok=True)
        with closing(_open(folder)) as catalogue, (folder / "acknowledged").open("ab", buffering=0) as acknowledged:
            catalogue.register(new_asset(), actor="ingest")
            while lease := catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0):
                catalogue.complete(lease, outcome(lease))
                acknowledged.write(b"x")

    kills = 0
    for line in kill_points(journey, WRITING_MODULES, at_most=25):
        folder = tmp_path / f"life-{line}"
        kills += killed_at(journey, WRITING_MODULES, line)
        _assert_whole_and_finish(folder)
    assert kills == 25


def _assert_whole_and_finish(folder: Path) -> None:
    clock = FakeClock()
    with closing(_open(folder, clock)) as catalogue:
        events = catalogue.audit_events()
        acknowledged = (folder / "acknowledged").read_bytes() if (folder / "acknowledged").exists() else b""
        assert sum(event.action == "work.done" for event in events) in (len(acknowledged), len(acknowledged) + 1)
        assert Replay().follow(events) == _states(folder)
        catalogue.register(new_asset(), actor="ingest")
        clock.advance(30.0)
        catalogue.sweep()
        while lease := catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0):
            catalogue.complete(lease, outcome(lease))
        assert catalogue.asset(new_asset().asset_id).state is AssetState.DELIVERED


def _states(folder: Path) -> Replay:
    with closing(open_database(_url(folder))) as database, database.read() as connection:
        return Replay(
            assets={row.asset_id: row.state for row in connection.execute(select(assets))},
            items={row.item_id: row.state for row in connection.execute(select(work_items))},
        )
