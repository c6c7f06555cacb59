"""Whatever workers, crashes, pauses and people do: the ledger keeps its promises (O-03), on both databases (O-01)."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from opendrape.adapters.sql.database import Database, open_database
from tests.servers.postgresql import PostgreSQL
from tests.unit.ledger.ledger_machine import LedgerMachine

LedgerMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FOR_LONG = settings(max_examples=600, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck))


class TestLedger(LedgerMachine.TestCase):  # type: ignore[name-defined,misc]
    """At most one published output per asset and policy; nothing written by an old epoch; everything ends."""


@pytest.mark.long
@pytest.mark.timeout(1800)
class TestLedgerForLong(LedgerMachine.TestCase):  # type: ignore[name-defined,misc]
    """The same, random and longer."""

    settings = FOR_LONG


class _OnPostgreSQL(LedgerMachine):
    """Every example has a database of its own."""

    server: ClassVar[PostgreSQL]

    def open_database(self) -> Database:
        self.url = self.server.migrated()
        return open_database(self.url)

    def teardown(self) -> None:
        super().teardown()
        self.server.drop(self.url)


@pytest.fixture
def machine(postgresql: PostgreSQL) -> type[LedgerMachine]:
    _OnPostgreSQL.server = postgresql
    return _OnPostgreSQL


def test_the_ledger_keeps_its_promises_on_postgresql(machine: type[LedgerMachine]) -> None:
    """O-03."""
    run_state_machine_as_test(machine, settings=settings(LedgerMachine.TestCase.settings, max_examples=5))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_ledger_keeps_its_promises_on_postgresql_for_long(machine: type[LedgerMachine]) -> None:
    """The same, random and longer."""
    run_state_machine_as_test(machine, settings=settings(FOR_LONG, max_examples=200))
