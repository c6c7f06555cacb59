"""Which folder of materialised models tests use: what `models sync` fills, kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """``.cache/models`` in the checkout, filled from OPENDRAPE_TEST_MODELS and the published wheels; else a skip.

    The work is done in a process of its own: this one has no network.
    """
    folder = ROOT / ".cache" / "models"
    mirror = Path(os.environ.get("OPENDRAPE_TEST_MODELS") or ROOT.parent / "shared" / "models")
    folder.mkdir(parents=True, exist_ok=True)
    given = ["--mirror", str(mirror)] if mirror.is_dir() else []
    command = [sys.executable, "-m", "opendrape_masker.models_sync", "--models-dir", str(folder), *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode != 0:
        pytest.skip(f"models are out of reach: {done.stderr.strip()}")
    return folder
