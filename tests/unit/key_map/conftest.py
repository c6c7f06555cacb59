"""Which key maps the tests beside this file open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.key_maps import Maps


@pytest.fixture
def maps(tmp_path: Path) -> Iterator[Maps]:
    made = Maps(tmp_path)
    yield made
    made.close()
