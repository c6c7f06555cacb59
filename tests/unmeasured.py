"""Which tests' own processes are not measured for coverage: those that repeat, as a user would, what others measure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

_MEASURED_BY = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


@pytest.fixture(scope="module", autouse=True)
def unmeasured_processes() -> Iterator[None]:
    """Every process that starts meanwhile runs at the speed a user sees: measuring costs a third of its time."""
    kept = {name: os.environ.pop(name) for name in _MEASURED_BY if name in os.environ}
    yield
    os.environ.update(kept)
