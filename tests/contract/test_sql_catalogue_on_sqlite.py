"""The SQL catalogue on a SQLite file keeps the contract, as does the same in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.ports.catalogue import Catalogue
from tests.contract.catalogue_contract import AssetContract
from tests.contract.ledger_contract import LedgerContract
from tests.fakes.catalogue import RETRY, memory_catalogue
from tests.fakes.clock import FakeClock


@contextmanager
def _on_file(folder: Path, clock: FakeClock) -> Iterator[Catalogue]:
    with closing(open_catalogue(f"sqlite:///{folder}/catalogue.sqlite3", clock=clock, retry=RETRY)) as catalogue:
        yield catalogue


@contextmanager
def _in_memory(folder: Path, clock: FakeClock) -> Iterator[Catalogue]:
    with closing(memory_catalogue(clock)) as catalogue:
        yield catalogue


class TestAssetsOnFile(AssetContract):
    make = staticmethod(_on_file)


class TestAssetsInMemory(AssetContract):
    make = staticmethod(_in_memory)


class TestLedgerOnFile(LedgerContract):
    make = staticmethod(_on_file)


class TestLedgerInMemory(LedgerContract):
    make = staticmethod(_in_memory)
