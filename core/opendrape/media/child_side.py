"""What does a media child do between its order and its result?

The order is one JSON line on standard input; messages and the result are JSON lines on a private pipe. Standard input
stays open for as long as the parent lives: its end is the second sign, after the kernel's, that nobody waits any more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opendrape.errors import ConfigurationError
from opendrape.media.child_messages import Json, describe_error, message_line


@dataclass(frozen=True)
class Assignment:
    """What the parent ordered, and the descriptor that the answers go to."""

    spec: dict[str, Any]
    channel: int
    walls: dict[str, bool | int]


_assignments: list[Assignment] = []


def assign(assignment: Assignment) -> None:
    """Lay the order down for :func:`serve`; called once, before the module is loaded."""
    _assignments.append(assignment)


def walls() -> dict[str, bool | int]:
    """Which walls stand around this child; empty outside one."""
    return dict(_assignments[-1].walls) if _assignments else {}


def serve(work: Callable[[dict[str, Any], Callable[[Json], None]], Json]) -> None:
    """Do the ordered work in this child: ``work(spec, send)`` returns the result.

    ``send`` may be called from any thread, with any JSON object (``{"progress": 0.5}`` by custom); every call tells the
    parent that the child is alive. ``ConfigurationError`` outside a child.
    """
    if not _assignments:
        raise ConfigurationError(reason="not_a_child")
    assignment = _assignments[-1]
    threading.Thread(target=_leave_with_parent, name="parent-watch", daemon=True).start()
    send = Sender(assignment.channel)
    try:
        result = work(assignment.spec, lambda body: send("message", body))
    except (Exception, SystemExit) as error:  # noqa: BLE001  the edge of the process: the parent decides what it means
        send("error", describe_error(error))
    else:
        send("result", result)


class Sender:
    """Writes whole lines to the parent, from any thread."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def __call__(self, kind: str, body: Json) -> None:
        line = memoryview(message_line(kind, body))
        with self._lock:
            while line:
                line = line[os.write(self._channel, line) :]


def _leave_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
