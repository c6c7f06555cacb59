"""Which key maps the tests beside this file open: on both databases, unless a test is about the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.key_maps import Maps
from tests.servers.postgresql import PostgreSQL


class MapsOnServer(Maps):
    """Maps in one database of a real PostgreSQL, whose files can be read as a thief of the disk would."""

    def __init__(self, folder: Path, url: str, server: PostgreSQL) -> None:
        super().__init__(folder, url)
        self._server = server

    def bytes_on_disk(self) -> bytes:
        name = self.url.rpartition("/")[2]
        [[number]] = self._server.execute(f"SELECT oid FROM pg_database WHERE datname = '{name}'")
        self._server.execute("CHECKPOINT")
        folder = self._server.folder / "data" / "base" / str(number)
        return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


@pytest.fixture
def file_maps(tmp_path: Path) -> Iterator[Maps]:
    made = Maps(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server_maps(postgresql: PostgreSQL, empty_url: str, tmp_path: Path) -> Iterator[MapsOnServer]:
    made = MapsOnServer(tmp_path, empty_url, postgresql)
    yield made
    made.close()


@pytest.fixture(params=["file_maps", "server_maps"], ids=["SQLite", "PostgreSQL"])
def maps(request: pytest.FixtureRequest) -> Maps:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Maps)
    return found
