"""What becomes of a run whose processes are stopped, or whose source changes, while it masks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import QUICK_POLICY, Bench, write_policy

pytestmark = pytest.mark.models
DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, SampleRequest(seconds=Fraction(4), width=960, height=540, key_interval=30), file_name="a.mp4")
    return folder / "a.mp4"


@dataclass(frozen=True)
class Run:
    """A run that is masking right now: its command, and the child with the pixels."""

    bench: Bench
    process: subprocess.Popen[str]
    child: psutil.Process

    def finish(self) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, assets, what was said on standard error."""
        said, complained = self.process.communicate(timeout=DEADLINE_SECONDS * 3)
        return self.process.returncode, json.loads(said)["assets"], complained

    @property
    def visible(self) -> list[Path]:
        return [path for path in self.bench.output.rglob("*") if path.is_file()]


@pytest.fixture
def masking(clip: Path, models_dir: Path, tmp_path: Path) -> Run:
    """A run on a copy of the clip, caught while a chunk is being written."""
    (tmp_path / "in").mkdir()
    shutil.copy(clip, tmp_path / "in" / "a.mp4")
    policies = write_policy(tmp_path / "policies", QUICK_POLICY.replace('chunk_seconds = "1"', 'chunk_seconds = "60"'))
    bench = Bench(tmp_path / "state", tmp_path / "out", models_dir, policies)
    bench.prepare()
    environment = bench.environment | {"OPENDRAPE_MASKER__CHILD_SILENCE_SECONDS": "3"}
    process = subprocess.Popen(
        bench.command(tmp_path / "in"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not any((bench.state / "scratch").rglob("evidence.bin")):
        assert process.poll() is None, "it ended before anything could be disturbed"
        assert time.monotonic() < deadline
        os.sched_yield()
    (child,) = psutil.Process(process.pid).children()
    return Run(bench, process, child)


def test_a_child_that_stands_still_is_ended_and_its_work_is_done_again(masking: Run) -> None:
    """O-03: SIGSTOP; the work is not lost, the child is not waited for, and nothing half-done is seen."""
    masking.child.suspend()
    masking.child.wait(DEADLINE_SECONDS)
    assert masking.visible == []
    code, assets, said = masking.finish()
    assert (code, [asset["state"] for asset in assets]) == (0, ["delivered"])
    assert "child_silent" in said


def test_a_run_that_sleeps_longer_than_its_lease_publishes_once(masking: Run) -> None:
    """O-03: a suspended laptop: the lease is over, the epoch old, and the same run does it again."""
    masking.process.send_signal(signal.SIGSTOP)
    psutil.wait_procs([masking.child], timeout=5)
    masking.process.send_signal(signal.SIGCONT)
    code, assets, _ = masking.finish()
    assert (code, [asset["state"] for asset in assets]) == (0, ["delivered"])
    assert assets[0]["receipt_verified"]
    assert len([path for path in masking.visible if path.suffix == ".mp4"]) == 1


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.unlink, "source_gone"),
        (_flip_a_byte, "source_changed"),
        (lambda path: os.truncate(path, 2000), "source_changed"),
    ],
    ids=["deleted", "one byte", "cut off"],
)
def test_a_source_that_changes_meanwhile_gives_no_output(
    masking: Run, change: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    """I-04, D-06: a receipt speaks of the registered content, so nothing is published of any other."""
    change(tmp_path / "in" / "a.mp4")
    code, assets, _ = masking.finish()
    assert (code, [asset["state"] for asset in assets]) == (1, ["failed"])
    assert assets[0]["reason"] == reason
    assert masking.visible == []


def test_a_source_that_is_only_touched_meanwhile_is_delivered(masking: Run, tmp_path: Path) -> None:
    """I-04: other times, same content."""
    os.utime(tmp_path / "in" / "a.mp4", ns=(0, 1))
    code, assets, said = masking.finish()
    assert (code, [asset["state"] for asset in assets]) == (0, ["delivered"]), said
