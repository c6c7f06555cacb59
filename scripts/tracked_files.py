"""Does a tracked file name a package registry or a path of one machine, or is one too large? Then the check fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# written in pieces, so that this file does not find itself
FORBIDDEN_WORDS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "snapshot." + "debian",
    "/o" + "pt/pypi",
    "/o" + "pt/wheels",
    "/wo" + "rk/",
    "/tm" + "p/bash_jobs",
    "/ro" + "ot/",
)
FORBIDDEN_NAMES = frozenset({"uv.lock", "pylock.toml", "poetry.lock"})
LARGEST_BYTES = 1_000_000


def tracked(root: Path) -> list[Path]:
    """Every file that git tracks and that is there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout  # noqa: S607
    return [path for name in listing.decode().split("\0") if name and (path := root / name).is_file()]


def faults(path: Path) -> list[str]:
    """What is wrong with one file, in words; empty when nothing is."""
    if path.name in FORBIDDEN_NAMES:
        return ["carries addresses by its nature"]
    content = path.read_bytes()
    if len(content) > LARGEST_BYTES:
        return [f"{len(content)} bytes: media and weights are never committed"]
    return [f"names '{word}'" for word in FORBIDDEN_WORDS if word.encode() in content]


def main() -> int:
    """Print every fault; 1 when there is one."""
    root = Path(__file__).resolve().parents[1]
    found = [f"{path.relative_to(root)}: {fault}" for path in tracked(root) for fault in faults(path)]
    print("\n".join(found) or "tracked files: no registry, no machine path, nothing too large")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
