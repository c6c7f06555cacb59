"""What was measured on, and with which versions: enough to compare, nothing that names a machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]


def machine() -> dict[str, str]:
    """Processor, cores and memory; no host name, no address, no path."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{round(pages / 2**30)} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of everything that was run here, except what has a virtual environment of its own."""
    names = ("opendrape", "av", "onnxruntime", "opencv-python-headless")
    return {name: version(name) for name in names} | {"ffmpeg": imageio_ffmpeg.get_ffmpeg_version()}


def test_media() -> Path:
    """The clips: ``OPENDRAPE_TEST_MEDIA``, else beside the checkout."""
    return Path(os.environ.get("OPENDRAPE_TEST_MEDIA") or ROOT.parent / "shared" / "media" / "dev")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
