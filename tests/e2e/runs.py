"""Runs of the real command line as a separate process, for tests that look at it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUICK_POLICY = """
version = 1
name = "quick"
summary = "Faces only, at a small size, in short chunks: the whole journey in seconds."
chunk_seconds = "1"

[[detect]]
role = "face"
max_gap_seconds = "0.2"
long_side_pixels = [320]
strong_score = 0.5
weak_score = 0.3

[[residual]]
role = "face"
max_gap_seconds = "1"
long_side_pixels = 480
score = 0.7
"""


@dataclass(frozen=True)
class Bench:
    """Folders of one run: ``state`` and ``output`` are the run's, ``models`` and ``policies`` are shared."""

    state: Path
    output: Path
    models: Path
    policies: Path

    def command(self, source: Path, *more: str) -> list[str]:
        arguments = ["run", str(source), "--output", str(self.output), "--policy", "quick", "--json", "--quiet", *more]
        return [sys.executable, "-m", "opendrape.cli", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "OPENDRAPE_STATE_DIR": str(self.state),
            "OPENDRAPE_POLICIES_DIR": str(self.policies),
            "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
            "OPENDRAPE_WORK__LEASE_SECONDS": "3",
            "OPENDRAPE_WORK__HEARTBEAT_SECONDS": "0.5",
            "OPENDRAPE_WORK__SWEEP_SECONDS": "0.3",
            "OPENDRAPE_WORK__MAX_ATTEMPTS": "40",
        }

    def prepare(self) -> None:
        """Give the state folder the models without another sync."""
        self.state.mkdir(parents=True, exist_ok=True)
        if not (self.state / "models").exists():
            (self.state / "models").symlink_to(self.models, target_is_directory=True)

    def run(self, source: Path, *more: str, seconds: float = 240) -> tuple[int, dict[str, Any]]:
        """Run to the end; exit code and the JSON result."""
        self.prepare()
        done = subprocess.run(
            self.command(source, *more), env=self.environment, capture_output=True, text=True, timeout=seconds
        )
        assert done.stdout.strip(), done.stderr[-3000:]
        return done.returncode, json.loads(done.stdout)

    def run_and_kill(self, source: Path, after_seconds: float) -> bool:
        """Start, kill -9 after a while; True when it was still running."""
        self.prepare()
        process = subprocess.Popen(
            self.command(source), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        return False


def write_policy(folder: Path, text: str = QUICK_POLICY) -> Path:
    """A site's policies folder with one policy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quick.toml").write_text(text)
    return folder
