"""How does a test get a disk that can be full: a small tmpfs of its own, filled and freed at will?"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.used import not_here, took_part

NAME = "Small disk"
_BLOCK = bytes(1 << 20)


@dataclass
class SmallDisk:
    """A mounted file system. ``filled`` counts how often it was full."""

    folder: Path
    filled: int = field(default=0)

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all room but ``leave_bytes``, so that a write may also end half-way."""
        with self._filler.open("wb", buffering=0) as filler:
            with contextlib.suppress(OSError):  # full
                while True:
                    filler.write(_BLOCK)
            filler.truncate(max(0, filler.tell() - leave_bytes))
        self.filled += 1

    def free(self) -> None:
        """Give the room back. Idempotent."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.folder / ".filler"


@contextmanager
def small_disk(folder: Path, *, mebibytes: int = 96) -> Iterator[SmallDisk | None]:
    """``folder`` as a disk of its own; None, and a line at the end of the run, where nothing may be mounted."""
    folder.mkdir(parents=True)
    size = f"size={mebibytes}m,mode=0700"
    refused = _refusal("mount", "-t", "tmpfs", "-o", size, "opendrape-test", str(folder))
    if refused is not None:
        not_here(NAME, refused)
        print(f"{NAME}: not available ({refused}); no disk is filled in this test")
        yield None
        return
    took_part(NAME, f"tmpfs of {mebibytes} MiB")
    try:
        yield SmallDisk(folder)
    finally:
        gone = _refusal("umount", str(folder))
        if gone is not None:  # somebody still has a file open: away at once, gone with the last of them
            _refusal("umount", "--lazy", str(folder))


def _refusal(*command: str) -> str | None:
    """Why the command did not do it; None when it did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return f"no {command[0]} here"
    return None if done.returncode == 0 else f"{command[0]} was refused, exit code {done.returncode}"
