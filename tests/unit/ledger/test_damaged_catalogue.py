"""Is a damaged catalogue told from one that does not answer?"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.errors import ConfigurationError
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
