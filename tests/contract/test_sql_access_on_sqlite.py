"""The store of API keys on SQLite keeps the contract, on a file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

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


@contextmanager
def _on_file(folder: Path, clock: FakeClock) -> Iterator[Store]:
    with closing(open_catalogue(f"sqlite:///{folder}/catalogue.sqlite3", clock=clock, retry=RETRY)) as catalogue:
        yield store_beside(catalogue, clock)


@contextmanager
def _in_memory(folder: Path, clock: FakeClock) -> Iterator[Store]:
    with closing(memory_catalogue(clock)) as catalogue:
        yield store_beside(catalogue, clock)


class TestOnFile(AccessContract):
    make = staticmethod(_on_file)


class TestInMemory(AccessContract):
    make = staticmethod(_in_memory)
