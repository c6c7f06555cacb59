"""O-01, P-04, P-05: catalogue and key map in PostgreSQL by settings alone, and no setting is told with its password."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.domain.work import WorkKind
from opendrape.errors import OpenDrapeError
from opendrape.logging import configure, get_log
from opendrape.metrics import Metrics
from opendrape.settings import LogSettings, Settings
from tests.fakes.catalogue import FACES, new_asset
from tests.servers.postgresql import PASSWORD, PostgreSQL


@pytest.fixture
def settings(postgresql: PostgreSQL, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OPENDRAPE_CATALOGUE__URL", empty_url)
    monkeypatch.setenv("OPENDRAPE_KEYS__MAP_URL", empty_url)
    monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(tmp_path / "out"))
    return Settings()


def test_two_processes_with_folders_of_their_own_share_catalogue_and_map(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-01: settings alone; the second is given the first one's key by a secret."""
    with closing(bootstrap(settings)) as first:
        pseudonym = first.key_map.asset_pseudonym("ab" * 32)
        first.catalogue.register(new_asset(), actor="ingest")
        monkeypatch.setenv("OPENDRAPE_KEYS__MAP_KEY", settings.map_key_path.read_text())
        monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(tmp_path / "other"))
        with closing(bootstrap(Settings())) as second:
            assert second.key_map.find_asset("ab" * 32) == pseudonym
            lease = second.catalogue.claim(WorkKind, owner="other", lease_seconds=30.0)
            assert lease is not None
            assert (lease.asset_id, lease.policy) == (new_asset().asset_id, FACES)
            assert first.catalogue.claim(WorkKind, owner="one", lease_seconds=30.0) is None
        assert not (tmp_path / "other" / "keys" / "map.json").exists()
    assert not list((tmp_path / "state").glob("*.sqlite3"))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    configure(LogSettings(style="json"), stream=written)
    yield written
    configure(LogSettings())


def test_passwords_are_in_no_representation_error_or_log(
    settings: Settings, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-05: with the database gone, an error says so and nothing else."""
    monkeypatch.setenv("OPENDRAPE_REDIS__URL", f"redis://:{PASSWORD}@127.0.0.1:1/0")
    nowhere = f"postgresql+psycopg://opendrape:{PASSWORD}@127.0.0.1:1/nowhere"
    monkeypatch.setenv("OPENDRAPE_CATALOGUE__URL", nowhere)
    broken = Settings()
    with pytest.raises(OpenDrapeError) as refused:
        bootstrap(broken)
    get_log("test").error("start_failed", exc_info=refused.value)
    told = f"{broken!r} {broken.model_dump()} {broken.model_dump_json()} {refused.value!r} {log.getvalue()}"
    assert "start_failed" in log.getvalue()
    assert PASSWORD not in told


def test_a_real_prometheus_reads_depth_age_and_endings_from_a_catalogue_on_postgresql(
    settings: Settings, tmp_path: Path
) -> None:
    """H-07: the figures of pods that are gone are there, because they are rows."""
    from prometheus_client import start_http_server

    from tests.fakes.catalogue import outcome
    from tests.servers.process import free_port
    from tests.servers.prometheus import prometheus

    with closing(bootstrap(settings)) as container:
        container.catalogue.register(new_asset(), actor="ingest")
        lease = container.catalogue.claim([WorkKind.PLAN], owner="gone", lease_seconds=30.0)
        assert lease is not None
        container.catalogue.complete(lease, outcome(lease))
        metrics, port = Metrics(), free_port()
        metrics.watch_catalogue(container.catalogue)
        server, thread = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
        try:
            assert urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).status == 200
            with prometheus(tmp_path / "prometheus", {"opendrape": [f"127.0.0.1:{port}"]}) as asked:
                ended = asked.wait_for("opendrape_ended_items_total")
                depth = asked.wait_for('opendrape_queue_depth{kind="mask"}')
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
    series = tuple(sorted({"__name__": "opendrape_ended_items_total"}.items()))
    assert ended == {(*series, ("kind", "plan"), ("reason", "none"), ("state", "done")): 1.0}
    assert list(depth.values()) == [2.0]
