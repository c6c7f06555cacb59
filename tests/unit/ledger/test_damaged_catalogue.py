"""Is a damaged catalogue told from one that does not answer?"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.adapters.sql.database import open_database
from opendrape.errors import CatalogueUnavailable, ConfigurationError
from tests.fakes.catalogue import RETRY, new_asset
from tests.fakes.clock import FakeClock


def _use(path: Path) -> None:
    catalogue = open_catalogue(f"sqlite:///{path}", clock=FakeClock(), retry=RETRY)
    try:
        catalogue.register(new_asset(), actor="test")
    finally:
        catalogue.close()


@pytest.mark.parametrize("left_bytes", [50, 4096, 20_000])
def test_a_file_that_was_cut_off_stops_the_start_instead_of_being_tried_again(left_bytes: int, tmp_path: Path) -> None:
    """O-03: waiting does not mend it, so nobody is told to wait; what is left of the file stays as it is."""
    path = tmp_path / "catalogue.sqlite3"
    _use(path)
    rest = path.read_bytes()[:left_bytes]
    path.write_bytes(rest)
    with pytest.raises(ConfigurationError) as refused:
        _use(path)
    assert refused.value.reason == "catalogue_damaged"
    assert path.read_bytes() == rest


def test_a_file_of_other_bytes_is_no_catalogue(tmp_path: Path) -> None:
    """O-03."""
    path = tmp_path / "catalogue.sqlite3"
    path.write_bytes(b"Jane Doe " * 1000)
    with pytest.raises(ConfigurationError) as refused:
        _use(path)
    assert refused.value.reason == "catalogue_damaged"
    assert "Jane" not in str(refused.value)


def test_a_full_disk_is_called_so(tmp_path: Path) -> None:
    """O-03: a person can do something about it; the work waits meanwhile."""
    database = open_database(f"sqlite:///{tmp_path / 'catalogue.sqlite3'}")

    def fill() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 2")
            connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(100000) AS bytes")

    with pytest.raises(CatalogueUnavailable) as full:
        fill()
    database.close()
    assert full.value.reason == "disk_full"
