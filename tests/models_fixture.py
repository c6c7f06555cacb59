"""Which folder of materialised models tests use: what `models sync` fills, kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendrape.domain.policy import Role
from opendrape_masker.detectors import available
from opendrape_masker.inference.session import OnnxRuntimeSession

ROOT = Path(__file__).resolve().parents[1]
_NEEDED = ("face", "text", "text-recognition")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """``.cache/models`` in the checkout, filled from OPENDRAPE_TEST_MODELS and the published wheels; else a skip.

    The work is done in a process of its own: this one has no network.
    """
    folder = ROOT / ".cache" / "models"
    mirror = Path(os.environ.get("OPENDRAPE_TEST_MODELS") or ROOT.parent / "shared" / "models")
    folder.mkdir(parents=True, exist_ok=True)
    given = ["--mirror", str(mirror)] if mirror.is_dir() else []
    done = _sync(folder, [*given, *(part for role in _NEEDED for part in ("--role", role))])
    if done.returncode != 0:
        pytest.skip(f"models are out of reach: {done.stderr.strip()}")
    _sync(folder, given)  # the others where they can be had; a test that needs one skips without it
    return folder


def need_models(models_dir: Path, *roles: Role) -> None:
    """Skip unless each role has a model that is materialised."""
    session = OnnxRuntimeSession(models_dir, 1, 60)
    for role in roles:
        if not available(role, session=session, repository=ROOT / "model_repository"):
            pytest.skip(f"no model for {role}: set OPENDRAPE_TEST_MODELS to a folder that holds its weights")


def _sync(folder: Path, given: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opendrape_masker.models_sync", "--models-dir", str(folder), *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
