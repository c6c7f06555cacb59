"""How much memory did a command take, or the largest process that it started?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_WRAPPER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(f"{code} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
"""


@dataclass(frozen=True)
class Measured:
    """``peak_bytes`` is the largest resident size that any one of the processes ever had, by the kernel's account."""

    exit_code: int
    peak_bytes: int
    output: str


def run_measured(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, seconds: float = 240
) -> Measured:
    """Run a command to its end. A small process stands between: a child begins with the peak of who forked it."""
    notes = folder / "measured.txt"
    done = subprocess.run(
        [sys.executable, "-S", "-c", _WRAPPER, str(notes), *command],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
    )
    code, kilobytes = map(int, notes.read_text().split())
    return Measured(code, kilobytes * 1024, done.stdout)
