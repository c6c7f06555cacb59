"""How do Ctrl-C and SIGTERM end a command: as one exception in the main thread, so that every ``with`` cleans up."""

from __future__ import annotations

import signal
from types import FrameType


class Interrupted(BaseException):
    """Somebody asked the process to end. Not an ``Exception``: no handler on the way may swallow it."""


def install() -> None:
    """Turn SIGINT and SIGTERM into :class:`Interrupted`. Main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # the second one must not break the clean-up that the first one started; the workers stop at their next report
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted
