"""The store of API keys on a real PostgreSQL keeps the same contract as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from opendrape.adapters.sql.catalogue import open_catalogue
from tests.contract.access_contract import AccessContract, Store
from tests.contract.test_sql_access_on_sqlite import store_beside
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock


class TestOnPostgreSQL(AccessContract):
    @pytest.fixture
    def store(self, catalogue_url: str, clock: FakeClock) -> Iterator[Store]:
        with closing(open_catalogue(catalogue_url, clock=clock, retry=RETRY)) as catalogue:
            yield store_beside(catalogue, clock)
