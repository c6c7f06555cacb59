"""O-03, O-01: what does a person at one machine get to know when the Triton of the settings is away?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import Bench, write_policy
from tests.models_fixture import ROOT
from tests.nemesis.storm import make_videos
from tests.servers.dying_triton import DyingTriton

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One small video to take through, without a model on this machine."""
    make_videos(tmp_path / "source", 1)
    (tmp_path / "none").mkdir()
    return Bench(tmp_path / "state", tmp_path / "out", tmp_path / "none", write_policy(tmp_path / "policies"))


@pytest.fixture
def dying() -> Any:
    server = DyingTriton((ROOT / "model_repository",))
    yield server
    server.stop()


def run(bench: Bench, url: str) -> subprocess.CompletedProcess[str]:
    """What came of it; with the product's own patience, but for the first pause."""
    bench.prepare()
    given = {"OPENDRAPE_TRITON__URLS": url, "OPENDRAPE_WORK__FIRST_RETRY_SECONDS": "0.2"}
    environment = {name: text for name, text in (bench.environment | given).items() if "MAX_ATTEMPTS" not in name}
    command = bench.command(bench.state.parent / "source")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)


def test_a_run_without_its_server_ends_at_once_and_says_so(bench: Bench, dying: DyingTriton) -> None:
    """V-16: nothing is registered, nothing is written."""
    done = run(bench, dying.url)
    assert done.returncode == 1
    assert "Triton server does not answer" in done.stderr
    assert done.stdout == ""
    assert not bench.output.exists()


def test_a_run_that_loses_its_server_ends_soon_with_the_reason(bench: Bench, dying: DyingTriton) -> None:
    """O-03: a person waits for an answer: here the outage counts, and the next run with --retry goes on."""
    dying.start()
    done = run(bench, dying.url)
    (asset,) = json.loads(done.stdout)["assets"]
    assert (done.returncode, asset["state"], asset["reason"]) == (1, "failed", "inference_away")
    assert dying.deaths == 1
    assert not list(bench.output.rglob("*.mp4"))
