"""How AMQP 1.0 values become bytes and back; a decoded number keeps its AMQP type, so that it encodes to the same."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class UByte(int):
    """ubyte"""


class UShort(int):
    """ushort"""


class UInt(int):
    """uint"""


class ULong(int):
    """ulong"""


class Byte(int):
    """byte"""


class Short(int):
    """short"""


class Int(int):
    """int"""


class Long(int):
    """long"""


class Timestamp(int):
    """Milliseconds since 1970."""


class Float(float):
    """float"""


class Symbol(str):
    """symbol"""


@dataclass(frozen=True)
class Described:
    """A value with a descriptor in front."""

    descriptor: Any
    value: Any


@dataclass(frozen=True)
class Array:
    """Values of one type; ``kind`` is how each is written: ``uuid``, ``timestamp``, ``long`` or ``symbol``."""

    kind: str
    values: tuple[Any, ...]


class Malformed(Exception):
    """The bytes are no AMQP."""


_ARRAYS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "uuid": (0x98, lambda value: value.bytes),
    "timestamp": (0x83, struct.Struct(">q").pack),
    "long": (0x81, struct.Struct(">q").pack),
    "symbol": (0xB3, lambda value: struct.pack(">I", len(value)) + value.encode("ascii")),
}


def _sized(small: int, large: int, content: bytes) -> bytes:
    if len(content) < 256:
        return bytes((small, len(content))) + content
    return bytes((large,)) + struct.pack(">I", len(content)) + content


def _compound(small: int, large: int, count: int, content: bytes) -> bytes:
    if len(content) < 255 and count < 256:
        return bytes((small, len(content) + 1, count)) + content
    return bytes((large,)) + struct.pack(">II", len(content) + 4, count) + content


def _list(values: Any) -> bytes:
    return _compound(0xC0, 0xD0, len(values), b"".join(map(encode, values))) if values else b"\x45"


def _map(values: dict[Any, Any]) -> bytes:
    content = b"".join(encode(key) + encode(value) for key, value in values.items())
    return _compound(0xC1, 0xD1, 2 * len(values), content)


def _array(array: Array) -> bytes:
    code, pack = _ARRAYS[array.kind]
    content = bytes((code,)) + b"".join(map(pack, array.values))
    return b"\xf0" + struct.pack(">II", len(content) + 4, len(array.values)) + content


def _uint(value: int) -> bytes:
    if value == 0:
        return b"\x43"
    return bytes((0x52, value)) if value < 256 else b"\x70" + struct.pack(">I", value)


def _ulong(value: int) -> bytes:
    if value == 0:
        return b"\x44"
    return bytes((0x53, value)) if value < 256 else b"\x80" + struct.pack(">Q", value)


def _fixed(code: int, form: str) -> Callable[[Any], bytes]:
    packer = struct.Struct(form).pack
    return lambda value: bytes((code,)) + packer(value)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _value: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    UByte: _fixed(0x50, ">B"),
    UShort: _fixed(0x60, ">H"),
    UInt: _uint,
    ULong: _ulong,
    Byte: _fixed(0x51, ">b"),
    Short: _fixed(0x61, ">h"),
    Int: _fixed(0x71, ">i"),
    Long: _fixed(0x81, ">q"),
    int: _fixed(0x81, ">q"),
    Timestamp: _fixed(0x83, ">q"),
    Float: _fixed(0x72, ">f"),
    float: _fixed(0x82, ">d"),
    uuid.UUID: lambda value: b"\x98" + value.bytes,
    bytes: lambda value: _sized(0xA0, 0xB0, value),
    str: lambda value: _sized(0xA1, 0xB1, value.encode()),
    Symbol: lambda value: _sized(0xA3, 0xB3, value.encode("ascii")),
    list: _list,
    tuple: _list,
    dict: _map,
    Array: _array,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}


def encode(value: Any) -> bytes:
    """One value as bytes; a plain ``int`` is written as long. ``KeyError`` for a type that AMQP does not have."""
    return _ENCODERS[type(value)](value)


_FIXED: dict[int, tuple[struct.Struct, Callable[[Any], Any]]] = {
    0x50: (struct.Struct(">B"), UByte),
    0x51: (struct.Struct(">b"), Byte),
    0x52: (struct.Struct(">B"), UInt),
    0x53: (struct.Struct(">B"), ULong),
    0x54: (struct.Struct(">b"), Int),
    0x55: (struct.Struct(">b"), Long),
    0x56: (struct.Struct(">B"), bool),
    0x60: (struct.Struct(">H"), UShort),
    0x61: (struct.Struct(">h"), Short),
    0x70: (struct.Struct(">I"), UInt),
    0x71: (struct.Struct(">i"), Int),
    0x72: (struct.Struct(">f"), Float),
    0x80: (struct.Struct(">Q"), ULong),
    0x81: (struct.Struct(">q"), Long),
    0x82: (struct.Struct(">d"), float),
    0x83: (struct.Struct(">q"), Timestamp),
    0x98: (struct.Struct(">16s"), lambda raw: uuid.UUID(bytes=raw)),
}
_EMPTY: dict[int, Callable[[], Any]] = {
    0x40: lambda: None,
    0x41: lambda: True,
    0x42: lambda: False,
    0x43: lambda: UInt(0),
    0x44: lambda: ULong(0),
    0x45: lambda: [],
}
_VARIABLE: dict[int, Callable[[bytes], Any]] = {
    0x0: bytes,
    0x1: lambda raw: raw.decode(),
    0x3: lambda raw: Symbol(raw.decode("ascii")),
}


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that starts at ``at``, and where the next one starts. ``Malformed`` when it is none."""
    try:
        return _decode(data[at], data, at + 1)
    except (IndexError, struct.error, KeyError, UnicodeDecodeError, TypeError) as error:
        raise Malformed(str(error)) from error


def _decode(code: int, data: bytes, at: int) -> tuple[Any, int]:
    if code in _FIXED:
        form, make = _FIXED[code]
        return make(form.unpack_from(data, at)[0]), at + form.size
    if code in _EMPTY:
        return _EMPTY[code](), at
    if code == 0:
        descriptor, at = _decode(data[at], data, at + 1)
        value, at = _decode(data[at], data, at + 1)
        return Described(descriptor, value), at
    wide = bool(code & 0x10)
    size, at = (struct.unpack_from(">I", data, at)[0], at + 4) if wide else (data[at], at + 1)
    end = at + size
    if end > len(data):
        raise Malformed("a value ends after the data")
    if code in (0xA0, 0xA1, 0xA3, 0xB0, 0xB1, 0xB3):
        return _VARIABLE[code & 0xF](data[at:end]), end
    count, at = (struct.unpack_from(">I", data, at)[0], at + 4) if wide else (data[at], at + 1)
    return _elements(code, count, data, at), end


def _elements(code: int, count: int, data: bytes, at: int) -> Any:
    if code in (0xE0, 0xF0):
        return _array_elements(count, data, at)
    values = []
    for _ in range(count):
        value, at = _decode(data[at], data, at + 1)
        values.append(value)
    if code in (0xC0, 0xD0):
        return values
    if code in (0xC1, 0xD1):
        return dict(zip(values[::2], values[1::2], strict=True))
    raise Malformed(f"constructor {code:#x}")


def _array_elements(count: int, data: bytes, at: int) -> list[Any]:
    descriptor, code = None, data[at]
    at += 1
    if code == 0:
        descriptor, at = _decode(data[at], data, at + 1)
        code, at = data[at], at + 1
    values = []
    for _ in range(count):
        value, at = _decode(code, data, at)
        values.append(value if descriptor is None else Described(descriptor, value))
    return values
