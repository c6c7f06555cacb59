"""How do requests and answers of a media child lie in the two pipes to its parent?

A frame is two lengths, a JSON head and raw numbers. Both sides bound what they take: a child may have been taken over
by its input. Pipes, because a child has no sockets, not even the means to make one.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MAX_HEAD_BYTES = 65536
MAX_BODY_BYTES = 256 * 2**20
_LENGTHS = struct.Struct("!II")
_PIPE_BYTES = 1 << 20


class FrameBroken(Exception):
    """The other side ended in the middle, or what it sent is no frame."""


@dataclass(frozen=True)
class Frame:
    """One request or answer: a JSON object and bytes."""

    head: dict[str, Any]
    body: bytearray


def make_pipe() -> tuple[int, int]:
    """Read and write end, as roomy as the system allows without asking."""
    ends = os.pipe()
    with suppress(OSError, AttributeError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ends


def write_frame(descriptor: int, head: dict[str, Any], *bodies: memoryview) -> None:
    """Send one frame; the caller sees to it that nobody else writes meanwhile. ``OSError`` when nobody reads."""
    text = json.dumps(head, separators=(",", ":")).encode()
    size = sum(body.nbytes for body in bodies)
    if len(text) > MAX_HEAD_BYTES or size > MAX_BODY_BYTES:
        raise FrameBroken
    for part in (memoryview(_LENGTHS.pack(len(text), size) + text), *bodies):
        left = part.cast("B")
        while left:
            left = left[os.write(descriptor, left) :]


def read_lengths(descriptor: int) -> tuple[int, int] | None:
    """Head and body length of the next frame; None when the other side ended in between. ``FrameBroken``."""
    start = _read(descriptor, _LENGTHS.size, may_end=True)
    if not start:
        return None
    head, body = _LENGTHS.unpack(start)
    if head > MAX_HEAD_BYTES or body > MAX_BODY_BYTES:
        raise FrameBroken
    return head, body


def read_rest(descriptor: int, lengths: tuple[int, int]) -> Frame:
    """The frame whose lengths were read. ``FrameBroken``."""
    text = _read(descriptor, lengths[0])
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameBroken from error
    if not isinstance(head, dict):
        raise FrameBroken
    return Frame(head, _read(descriptor, lengths[1]))


def _read(descriptor: int, count: int, *, may_end: bool = False) -> bytearray:
    buffer = bytearray(count)
    view, got = memoryview(buffer), 0
    while got < count:
        step = os.readv(descriptor, [view[got:]])
        if not step:
            if may_end and not got:
                return bytearray()
            raise FrameBroken
        got += step
    return buffer
