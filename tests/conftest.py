"""Which fixtures every test may ask for."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.models_fixture import models_dir
from tests.servers.azurite import azurite, container_name
from tests.servers.postgresql import catalogue_url, empty_url, postgresql
from tests.servers.redis import redis_server

__all__ = [
    "azurite",
    "catalogue_url",
    "container_name",
    "empty_url",
    "models_dir",
    "postgresql",
    "redis_server",
]

HEAVIEST_FIRST = ("e2e", "nemesis", "faults", "integration", "contract")
"""Folders whose files take minutes: two workers that begin with them end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by weight; the Makefile tells xdist to keep this order."""
    items.sort(key=lambda item: _weight(item.path.relative_to(Path(__file__).parent).parts))


def _weight(parts: Iterable[str]) -> int:
    return next((place for place, name in enumerate(HEAVIEST_FIRST) if name in parts), len(HEAVIEST_FIRST))


def pytest_configure(config: pytest.Config) -> None:
    """Every process of one run has the same seed for its storms, and the run's header says which."""
    drawn = os.environ.get("OPENDRAPE_TEST_SEED") or str(random.SystemRandom().randrange(2**31))
    os.environ.setdefault("OPENDRAPE_STORM_SEED", drawn)


def pytest_report_header(config: pytest.Config) -> str:
    """Set the variable to this number, and every storm strikes in the same order again."""
    return f"OPENDRAPE_TEST_SEED={os.environ['OPENDRAPE_STORM_SEED']}"
