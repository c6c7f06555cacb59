"""C-02: Ctrl-C and SIGTERM leave nothing half-written and nobody behind; the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench, write_policy

pytestmark = pytest.mark.models
DEADLINE_SECONDS = 60.0


@pytest.fixture
def bench(models_dir: Path, tmp_path: Path) -> Bench:
    make_sample(tmp_path / "in", SampleRequest(seconds=Fraction(6), width=640, height=360, key_interval=30))
    return Bench(tmp_path / "state", tmp_path / "out", models_dir, write_policy(tmp_path / "policies"))


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Look until it has happened; the process must not end before."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not happened():
        assert process.poll() is None, "it ended before anything could be interrupted"
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_half_written_and_goes_on(
    number: signal.Signals, bench: Bench, tmp_path: Path
) -> None:
    """C-02: exit code 130, every child gone, no output visible; the rerun delivers."""
    bench.prepare()
    process = subprocess.Popen(
        bench.command(tmp_path / "in"), env=bench.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    family: list[psutil.Process] = []

    def a_child_is_at_work() -> bool:
        family[:] = psutil.Process(process.pid).children(recursive=True)
        scratch = bench.state / "scratch"
        return bool(family) and scratch.is_dir() and any(path.is_file() for path in scratch.rglob("*"))

    until(a_child_is_at_work, process)
    process.send_signal(number)
    assert process.wait(DEADLINE_SECONDS) == 130
    assert psutil.wait_procs(family, timeout=10)[1] == [], "a media child outlived the command"
    assert [path for path in bench.output.rglob("*") if path.is_file()] == []
    code, result = bench.run(tmp_path / "in")
    assert code == 0, result
    assert [asset["state"] for asset in result["assets"]] == ["delivered"]
    assert result["assets"][0]["receipt_verified"] is True
