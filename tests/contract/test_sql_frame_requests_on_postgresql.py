"""Requests for frames and segments on a real PostgreSQL keep the same contracts as on SQLite (O-01)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.sql.catalogue import open_catalogue
from tests.contract.frame_requests_contract import FrameRequestsContract, SegmentsContract
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock


class _OnPostgreSQL:
    @pytest.fixture(autouse=True)
    def _a_database_of_its_own(self, catalogue_url: str) -> None:
        self._url = catalogue_url

    def make(self, folder: Path, clock: FakeClock) -> Any:
        return closing(open_catalogue(self._url, clock=clock, retry=RETRY))


class TestFramesOnPostgreSQL(_OnPostgreSQL, FrameRequestsContract):
    pass


class TestSegmentsOnPostgreSQL(_OnPostgreSQL, SegmentsContract):
    pass
