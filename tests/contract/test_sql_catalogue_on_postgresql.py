"""The SQL catalogue on a real PostgreSQL keeps the same contract as on SQLite (O-01)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.ports.catalogue import Catalogue
from tests.contract.catalogue_contract import AssetContract, CatalogueSteps
from tests.contract.ledger_contract import LedgerContract
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock


class _OnPostgreSQL(CatalogueSteps):
    @pytest.fixture
    def catalogue(self, catalogue_url: str, clock: FakeClock) -> Iterator[Catalogue]:
        with closing(open_catalogue(catalogue_url, clock=clock, retry=RETRY)) as catalogue:
            yield catalogue


class TestAssetsOnPostgreSQL(_OnPostgreSQL, AssetContract):
    pass


class TestLedgerOnPostgreSQL(_OnPostgreSQL, LedgerContract):
    pass
