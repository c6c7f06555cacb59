"""Which lines go from a media child to its parent, and what the parent believes of them.

A child that was taken over by its input can write anything here: lines are bounded, kinds and error classes come from
fixed sets, and no text of the child reaches a log or an error message.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from opendrape import errors
from opendrape.errors import ChildCrashed, OpenDrapeError, StorageUnavailable

Json = dict[str, Any]
"""A JSON object; what is in it is agreed between a child module and its caller."""

MAX_LINE_BYTES = 64 * 2**20

_KINDS = frozenset({"message", "result", "error"})
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLACE = re.compile(r"[A-Za-z_]\w{0,63} at (opendrape\w*(\.\w+){0,6}|elsewhere):\d{1,5}", re.ASCII)
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# a lease is the parent's business: a child that gave one back would be tried for ever
_NOT_THE_CHILDS = frozenset({"StaleLease", "IllegalTransition"})


class Lines:
    """Cuts a stream of bytes into lines; ``ChildCrashed`` when one outgrows the limit."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def split(self, arrived: bytes) -> Iterator[bytes]:
        """The lines that ``arrived`` completes."""
        complete, newline, rest = arrived.rpartition(b"\n")
        if newline:
            yield from bytes(self._rest + complete).split(b"\n")
            self._rest = bytearray()
        self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:
            raise ChildCrashed(reason="child_protocol")


def message_line(kind: str, body: Json) -> bytes:
    """One message as the child sends it."""
    return json.dumps({"kind": kind, "body": body}, separators=(",", ":")).encode() + b"\n"


def parse_message(line: bytes) -> tuple[str, Json]:
    """Kind and body of a line; ``ChildCrashed`` when it is not one of ours."""
    try:
        message = json.loads(line)
        kind, body = message["kind"], message["body"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ChildCrashed(reason="child_protocol") from error
    if kind not in _KINDS or not isinstance(body, dict):
        raise ChildCrashed(reason="child_protocol")
    return kind, body


def describe_error(error: BaseException) -> Json:
    """An exception as the child reports it: class, reason and place in our code, never its text."""
    if isinstance(error, OpenDrapeError):
        return {"error": type(error).__name__, "reason": error.reason}
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return {"error": StorageUnavailable.__name__, "reason": "disk_full"}
    reason = "child_memory" if isinstance(error, MemoryError) else "child_error"
    return {"error": ChildCrashed.__name__, "reason": reason, "place": _place(error)}


def raise_error(body: Json) -> NoReturn:
    """Raise what the child reported, as the same class with the same reason."""
    kind, reason = _believed_class(body.get("error")), body.get("reason")
    if kind is None or not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise ChildCrashed(reason="child_protocol")
    place = str(body.get("place", ""))
    raise kind(f"{reason}: {place}" if _PLACE.fullmatch(place) else "", reason=reason)


def _believed_class(name: object) -> type[errors.OpenDrapeError] | None:
    kind = getattr(errors, str(name), None)
    if not isinstance(kind, type) or not issubclass(kind, OpenDrapeError) or str(name) in _NOT_THE_CHILDS:
        return None
    return kind


def _place(error: BaseException) -> str:
    """Where in OpenDrape's own code an unexpected exception came from: names of code, safe to show."""
    place, step = "elsewhere:0", error.__traceback__
    while step is not None:
        module = str(step.tb_frame.f_globals.get("__spec__") and step.tb_frame.f_globals["__spec__"].name)
        if module.startswith("opendrape"):
            place = f"{module}:{step.tb_lineno}"
        step = step.tb_next
    return f"{type(error).__name__} at {place}"
