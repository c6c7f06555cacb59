"""The store of API keys on SQLite keeps the contract, on a file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from opendrape.adapters.sql.access import SqlAccessStore
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from tests.contract.access_contract import AccessContract, Store
from tests.fakes.catalogue import RETRY, memory_catalogue
from tests.fakes.clock import FakeClock


def store_beside(catalogue: SqlCatalogue, clock: FakeClock) -> Store:
    """The store on a catalogue's database."""
    return Store(
        SqlAccessStore(catalogue.database, clock=clock),
        events=lambda object_id: list(catalogue.audit_events(object_id)),
    )


class TestOnFile(AccessContract):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
        with closing(open_catalogue(f"sqlite:///{tmp_path}/c.sqlite3", clock=clock, retry=RETRY)) as catalogue:
            yield store_beside(catalogue, clock)


class TestInMemory(AccessContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Iterator[Store]:
        with closing(memory_catalogue(clock)) as catalogue:
            yield store_beside(catalogue, clock)
