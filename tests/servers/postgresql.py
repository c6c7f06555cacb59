"""A real PostgreSQL for tests: a cluster of our own in a folder of its own, which can be ended and started at will."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest

from opendrape.adapters.sql.database import open_database
from opendrape.adapters.sql.migrate import migrate
from tests.servers import used
from tests.servers.process import Running, free_port, start, wait_until

PASSWORD = "not-a-secret-4711"  # tests look for it in errors and logs: it must not be there
_TEMPLATE = "opendrape_template"
_numbers = count()


class PostgreSQL:
    """One cluster on loopback, without a socket file. ``durable`` False switches fsync off: for speed alone."""

    def __init__(self, folder: Path, binaries: Path, *, durable: bool = True) -> None:
        self.folder, self.port, self.durable = folder, free_port(), durable
        self._binaries = binaries
        self._running: Running | None = None

    def prepare(self) -> None:
        """Make the cluster's files, owned by the account that runs it."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for path in (self.folder, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        command = [str(self._binaries / "initdb"), "--no-sync", "--username=opendrape", "--encoding=UTF8", "--locale=C"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", f"--pgdata={self.folder / 'data'}"]
        subprocess.run(_as_its_user(command), check=True, capture_output=True, cwd="/", timeout=60)

    def start(self) -> None:
        """Start it and wait until it answers; recovery after a crash is waited for."""
        switch = "on" if self.durable else "off"
        choices = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 120,
            "fsync": switch,
            "full_page_writes": switch,
            "log_min_messages": "warning",
        }
        command = [str(self._binaries / "postgres"), "-D", str(self.folder / "data")]
        for name, value in choices.items():
            command += ["-c", f"{name}={value}"]
        self._running = start(_as_its_user(command), log=self.folder / "log", folder=Path("/"))
        wait_until(self._answers, self._running, seconds=60)

    def stop(self, *, immediate: bool = False) -> None:
        """End it: connections are cut; ``immediate`` also without a checkpoint, as a crash would. Idempotent."""
        if self._running is not None:
            # SIGTERM would wait for every client.
            self._running.stop(by=signal.SIGQUIT if immediate else signal.SIGINT)
            self._running = None

    def restart(self, *, immediate: bool = False) -> None:
        """End it and start it again on the same port."""
        self.stop(immediate=immediate)
        self.start()

    @property
    def process_id(self) -> int:
        """Of the postmaster."""
        assert self._running is not None
        return self._running.process.pid

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database, with its password."""
        return f"postgresql+psycopg://opendrape:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the owner; its rows, if it has any."""
        with psycopg.connect(**self._address(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> str:
        """The URL of a new database without any table."""
        return self._create("template1")

    def migrated(self) -> str:
        """The URL of a new database with the catalogue's schema, copied from a template: some milliseconds."""
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{_TEMPLATE}'"):
            self.execute(f"CREATE DATABASE {_TEMPLATE}")
            with closing(open_database(self.url(_TEMPLATE))) as database:
                migrate(database)
        return self._create(_TEMPLATE)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _create(self, template: str) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def _address(self, database: str) -> dict[str, str | int]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "opendrape",
            "password": PASSWORD,
            "dbname": database,
            "connect_timeout": 5,
        }

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False


@contextlib.contextmanager
def cluster(*, durable: bool = True) -> Iterator[PostgreSQL]:
    """A running cluster in a temporary folder; the test is skipped where PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        used.absent("PostgreSQL", "no initdb on this machine")
    # pytest's own folders are closed to the account that runs the cluster.
    folder = Path(tempfile.mkdtemp(prefix="opendrape-pg-"))
    server = PostgreSQL(folder, binaries, durable=durable)
    try:
        server.prepare()
        server.start()
        version = str(server.execute("SHOW server_version")[0][0])
        used.took_part("PostgreSQL", f"{version}, a cluster of our own on loopback")
        yield server
    finally:
        server.stop(immediate=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One cluster for all tests of this process; a test that ends it starts it again. fsync is off: no power is cut."""
    with cluster(durable=False) as server:
        yield server


@pytest.fixture
def catalogue_url(postgresql: PostgreSQL) -> Iterator[str]:
    """A migrated database of the test's own."""
    url = postgresql.migrated()
    yield url
    postgresql.drop(url)


@pytest.fixture
def empty_url(postgresql: PostgreSQL) -> Iterator[str]:
    """A database without tables of the test's own."""
    url = postgresql.empty()
    yield url
    postgresql.drop(url)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    candidates = [Path(found).parent, *places] if found else places
    return next((place for place in candidates if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _as_its_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
