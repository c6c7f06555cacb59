"""What survives when a process is killed (SIGKILL) after its n-th line of given modules, for every n."""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any


def count_lines(work: Callable[[], object], modules: Sequence[str]) -> int:
    """How many lines of these modules ``work`` executes (run in a child, which must end well)."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _leave(lambda: os.write(write, str(_trace(work, modules, -1)).encode()))
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the work fails without being killed"
    return int(said)


def killed_at(work: Callable[[], object], modules: Sequence[str], line: int) -> bool:
    """Run ``work`` in a child and kill it before its ``line``-th line; False when it ended before."""
    child = os.fork()
    if not child:
        _leave(lambda: _trace(work, modules, line))
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return status != 0


def kill_points(work: Callable[[], object], modules: Sequence[str], *, at_most: int, seed: int = 1) -> Iterator[int]:
    """Line numbers to kill at: all of them, or a seeded choice of ``at_most``."""
    lines = range(1, count_lines(work, modules) + 1)
    chosen = lines if len(lines) <= at_most else sorted(random.Random(seed).sample(lines, at_most))
    yield from chosen


def _leave(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - nothing may escape into the parent's test run
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _trace(work: Callable[[], object], modules: Sequence[str], deadly: int) -> int:
    seen = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_globals.get("__name__") in modules else None

    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(None)
    return seen
