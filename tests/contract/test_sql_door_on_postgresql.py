"""The door's records on a real PostgreSQL keep the same contract as on SQLite (O-01)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.door import open_door
from opendrape.ports.door import DoorRecords
from tests.contract.door_contract import DoorContract
from tests.contract.door_races_contract import DoorRacesContract
from tests.contract.glance_contract import GlanceContract
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock


class _OnPostgreSQL:
    @pytest.fixture(autouse=True)
    def _a_database_of_its_own(self, catalogue_url: str) -> None:
        self._url = catalogue_url

    @contextmanager
    def make(self, _folder: Path, clock: FakeClock) -> Iterator[tuple[SqlCatalogue, DoorRecords]]:
        with closing(open_catalogue(self._url, clock=clock, retry=RETRY)) as catalogue:
            yield catalogue, open_door(catalogue, clock)


class TestDoorOnPostgreSQL(_OnPostgreSQL, DoorContract):
    pass


class TestRacesOnPostgreSQL(_OnPostgreSQL, DoorRacesContract):
    pass


class TestGlancesOnPostgreSQL(_OnPostgreSQL, GlanceContract):
    pass
