"""P-04, O-01: what the key map owes in a cluster beyond the port: many pods, a key from a secret, a schema apart."""

from __future__ import annotations

import json
import threading
from contextlib import closing

import psycopg
import pytest
from pydantic import SecretStr

from opendrape.adapters.key_map import open_key_map, postgresql_rows
from opendrape.adapters.sql.database import open_database
from opendrape.adapters.sql.migrate import migrate
from opendrape.domain.pseudonym import Scheme
from opendrape.errors import ConfigurationError, OpenDrapeError, StorageUnavailable
from tests.fakes.key_maps import SHA, StillClock, fill
from tests.servers.postgresql import PASSWORD, PostgreSQL
from tests.unit.key_map.conftest import MapsOnServer


def _driver_url(url: str) -> str:
    return url.replace("+psycopg", "")


def test_pods_that_ask_at_once_give_one_pseudonym_each(server_maps: MapsOnServer) -> None:
    """P-01: one identifier never gets two pseudonyms."""
    server_maps.open()
    pods = [server_maps.open() for _ in range(6)]
    answers: list[tuple[str, ...]] = []

    def ask(index: int) -> None:
        answers.append(tuple(pods[index].subject_pseudonym(f"R-{number}") for number in range(12)))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(pods))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(pods)
    assert len(set(answers)) == 1
    assert len(set(answers[0])) == 12


def test_a_key_from_a_secret_opens_the_map_and_is_never_written(server_maps: MapsOnServer) -> None:
    """P-04: a cluster gives the key by a secret; rotation then needs the key file."""
    asset, _ = fill(server_maps.open())
    given = SecretStr(server_maps.key_file.read_text())
    server_maps.key_file.unlink()
    opened = open_key_map(
        SecretStr(server_maps.url),
        given,
        scheme=Scheme.RANDOM,
        audit=server_maps.audited.append,
        clock=StillClock(),
        notice=server_maps.notices.append,
    )
    with closing(opened):
        assert opened.find_asset(f"{0:064x}") == asset
        with pytest.raises(ConfigurationError) as refused:
            opened.rotate(actor="admin")
        assert refused.value.reason == "map_key_not_writable"
        assert fill(opened)[0] == asset
    assert not server_maps.key_file.exists()
    assert json.loads(given.get_secret_value())["active"]["key"] not in repr(opened.__dict__)


def test_a_pod_with_another_key_is_refused_and_writes_nothing(server_maps: MapsOnServer) -> None:
    """P-04: two pods that both made a key do not share a map by accident."""
    server_maps.open().asset_pseudonym(SHA)
    server_maps.key_file.unlink()
    with pytest.raises(ConfigurationError) as missing:
        server_maps.open()
    assert missing.value.reason == "key_file_missing"
    stranger = MapsOnServer(server_maps.folder / "stranger", "", server_maps._server)
    stranger.open()
    server_maps.key_file.touch(0o600)
    server_maps.key_file.write_bytes(stranger.key_file.read_bytes())
    stranger.close()
    with pytest.raises(ConfigurationError) as wrong:
        server_maps.open()
    assert wrong.value.reason == "map_key_wrong"


def test_the_map_has_a_schema_of_its_own_beside_a_catalogue(server_maps: MapsOnServer) -> None:
    """P-04: even in one database, the account of the pipeline need not be able to read the map."""
    with closing(open_database(server_maps.url)) as database:
        migrate(database)
    server_maps.open()
    rows = server_maps._server.execute(
        "SELECT schemaname FROM pg_tables WHERE tablename IN ('entries', 'state')", database=_name(server_maps.url)
    )
    assert rows == [("opendrape_key_map",)] * 2


def test_a_map_whose_server_crashed_answers_again_once_it_is_back(
    postgresql: PostgreSQL, server_maps: MapsOnServer
) -> None:
    """O-03: unavailable meanwhile, nothing half written, no restart of ours."""
    key_map = server_maps.open()
    before = fill(key_map)
    postgresql.stop(immediate=True)
    try:
        with pytest.raises(StorageUnavailable) as silent:
            fill(key_map, 1)
        assert silent.value.reason == "key_map_unavailable"
    finally:
        postgresql.start()
    assert fill(key_map) == before
    assert fill(key_map, 1) != before


def test_a_connection_cut_inside_a_change_leaves_nothing_of_it(
    postgresql: PostgreSQL, server_maps: MapsOnServer
) -> None:
    """P-04: a later statement never runs alone on a new connection."""
    key_map = server_maps.open()
    store = key_map._rows
    asset, _ = fill(key_map)
    doomed = store.all()

    def change() -> None:
        with store.transaction():
            store.delete(doomed)
            postgresql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'map'")
            store.set_active_version(9)

    with pytest.raises(StorageUnavailable):
        change()
    assert store.active_version() == 1
    assert key_map.find_asset(f"{0:064x}") == asset


def test_a_destruction_that_somebody_holds_up_says_so_here_too(
    server_maps: MapsOnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-04: rows that are still in the table's file are not called destroyed."""
    monkeypatch.setattr(postgresql_rows, "_OPTIONS", "-c lock_timeout=200")
    key_map = server_maps.open()
    _, subject = fill(key_map)
    with psycopg.connect(_driver_url(server_maps.url)) as reader:
        reader.execute("SELECT * FROM opendrape_key_map.entries")
        with pytest.raises(StorageUnavailable) as caught:
            key_map.destroy_subject(subject, actor="admin", reason="withdrawn")
        assert caught.value.reason == "key_map_busy"
        reader.rollback()
    assert key_map.destroy_subject(subject, actor="admin", reason="withdrawn") == 0


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"mysql://x:{PASSWORD}@127.0.0.1/x", "map_url"),
        (f"postgresql://x:{PASSWORD}@[::1/x", "map_url"),
        (f"postgresql://x:{PASSWORD}@127.0.0.1:1/x", "key_map_unavailable"),
    ],
)
def test_an_address_that_does_not_work_is_told_without_its_password(
    server_maps: MapsOnServer, url: str, reason: str
) -> None:
    """P-05."""
    server_maps.url = url
    with pytest.raises(OpenDrapeError) as refused:
        server_maps.open()
    assert refused.value.reason == reason
    assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"


def _name(url: str) -> str:
    return url.rpartition("/")[2]
