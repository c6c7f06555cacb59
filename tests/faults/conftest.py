"""Which campaign of faults the tests of this folder share, and with which seed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.stage import Stage


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Campaign]:
    """One clip and one fork server for all; OPENDRAPE_FAULT_SEED chooses another sample."""
    stage = Stage(tmp_path_factory.mktemp("faults"), models_dir)
    yield Campaign(stage, int(os.environ.get("OPENDRAPE_FAULT_SEED", "1")))
    stage.close()
