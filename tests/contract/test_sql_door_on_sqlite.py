"""The door's records on a SQLite file keep the contract, as do the same in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.door import open_door
from opendrape.ports.door import DoorRecords
from tests.contract.door_contract import DoorContract
from tests.contract.door_races_contract import DoorRacesContract
from tests.contract.glance_contract import GlanceContract
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock


@contextmanager
def _on_file(folder: Path, clock: FakeClock) -> Iterator[tuple[SqlCatalogue, DoorRecords]]:
    with closing(open_catalogue(f"sqlite:///{folder}/catalogue.sqlite3", clock=clock, retry=RETRY)) as catalogue:
        yield catalogue, open_door(catalogue, clock)


@contextmanager
def _in_memory(_folder: Path, clock: FakeClock) -> Iterator[tuple[SqlCatalogue, DoorRecords]]:
    with closing(open_catalogue("sqlite://", clock=clock, retry=RETRY)) as catalogue:
        yield catalogue, open_door(catalogue, clock)


class TestDoorOnFile(DoorContract):
    make = staticmethod(_on_file)


class TestDoorInMemory(DoorContract):
    make = staticmethod(_in_memory)


class TestRacesOnFile(DoorRacesContract):
    make = staticmethod(_on_file)


class TestGlancesOnFile(GlanceContract):
    make = staticmethod(_on_file)
