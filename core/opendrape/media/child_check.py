"""Do the walls around a media child hold on this machine? A child that tries to break out, and its report."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opendrape.media.child import ChildLimits, Json, run_child, serve
from opendrape.media.child_side import walls

_MEMORY_BYTES = 1 << 30
_SILENCE_SECONDS = 60.0


def prove_walls() -> dict[str, bool | int]:
    """Start a child that tries to read, write, connect and start a program outside its limits; say what was refused.

    Keys: ``landlock_abi``, ``seccomp``, ``read_refused``, ``write_refused``, ``network_refused``,
    ``programs_refused``. A False is a wall that this kernel does not give; the doctor shows it. ``ChildCrashed`` when
    children cannot run at all.
    """
    limits = ChildLimits(memory_bytes=_MEMORY_BYTES, silence_seconds=_SILENCE_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "outside")
        secret.write_bytes(b"outside")
        return run_child("opendrape.media.child_check", {"outside": str(secret)}, limits=limits)


def _try_to_break_out(spec: dict[str, Any], _: object) -> Json:
    outside = Path(spec["outside"])
    standing = walls()
    return {
        "landlock_abi": standing["landlock_abi"],
        "seccomp": standing["network_refused"],
        "read_refused": _is_refused(outside.read_bytes),
        "write_refused": _is_refused(lambda: outside.with_name("written").touch()),
        "network_refused": _is_refused(_open_socket),
        "programs_refused": _is_refused(_start_program),
    }


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _open_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _start_program() -> None:
    if os.fork() == 0:
        os._exit(0)


if __name__ == "__main__":
    serve(_try_to_break_out)
