"""Which frames does a connection carry: headers, performatives by number, delivery states, errors."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, NamedTuple

from tests.servers.servicebus.codec import Described, Malformed, Symbol, UInt, ULong, decode, encode

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
LARGEST_FRAME = 65536


class Performative(IntEnum):
    """Descriptors of what a frame says."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


class State(IntEnum):
    """Descriptors of delivery states."""

    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27


class Frame(NamedTuple):
    """A decoded frame. ``code`` is None for an empty one; missing trailing fields are None by ``field``."""

    channel: int
    code: int | None
    fields: list[Any]
    payload: bytes

    def field(self, index: int) -> Any:
        """The field at a place, None when it was left out."""
        return self.fields[index] if index < len(self.fields) else None


def frame(code: int, *fields: Any, channel: int = 0, kind: int = 0, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    body = encode(Described(ULong(code), list(fields))) + payload
    return struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body


EMPTY = struct.pack(">IBBH", 8, 2, 0, 0)


def parse(header: bytes, body: bytes) -> Frame:
    """A frame from its eight header bytes and the rest. ``Malformed`` when it is none."""
    _size, offset, _kind, channel = struct.unpack(">IBBH", header)
    body = body[4 * offset - 8 :]
    if not body:
        return Frame(channel, None, [], b"")
    described, end = decode(body)
    if not isinstance(described, Described) or not isinstance(described.value, list):
        raise Malformed("not a performative")
    return Frame(channel, int(described.descriptor), described.value, body[end:])


def error(condition: str, description: str) -> Described:
    """An error with all three fields: the SDK hangs for ever when one is left out."""
    return Described(ULong(0x1D), [Symbol(condition), description, None])


def accepted() -> Described:
    """The delivery state."""
    return Described(ULong(State.ACCEPTED), [])


def rejected(condition: str, description: str) -> Described:
    """The delivery state with an error."""
    return Described(ULong(State.REJECTED), [error(condition, description)])


def disposition(channel: int, *, receiver: bool, delivery: int, state: Any) -> bytes:
    """Settles one delivery."""
    return frame(Performative.DISPOSITION, receiver, UInt(delivery), UInt(delivery), True, state, channel=channel)
