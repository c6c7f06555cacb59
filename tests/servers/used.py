"""Which real servers took part in a test run: each fixture says so, ``scripts/test.sh`` prints it at the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest


def took_part(name: str, version: str) -> None:
    """Remember that a real server was started and used (workers of one run share the folder)."""
    _note(name, f"used: {version}")


def absent(name: str, why: str) -> NoReturn:
    """Skip the test because the server cannot run here; the reason is printed at the end of the run."""
    not_here(name, why)
    pytest.skip(f"{name}: {why}")


def not_here(name: str, why: str) -> None:
    """Remember that a part of a test could not run here; the rest of it goes on."""
    _note(name, f"not available: {why}")


def _note(name: str, text: str) -> None:
    folder = os.environ.get("OPENDRAPE_SERVERS_USED")
    if folder:
        (Path(folder) / name.replace(" ", "_")).write_text(text + "\n")
