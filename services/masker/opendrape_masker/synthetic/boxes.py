"""How boxes of an MP4 file are added or changed after it was written: rotation, user data, trailing bytes."""

from __future__ import annotations

import struct
from pathlib import Path

_MATRICES = {
    90: (0, 65536, 0, -65536, 0, 0),
    180: (-65536, 0, 0, 0, -65536, 0),
    270: (0, -65536, 0, 65536, 0, 0),
}


def box(kind: bytes, content: bytes) -> bytes:
    """A box (ISO 14496-12, 4.2): 32-bit size, four letters, content."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def uuid_box(uuid: bytes, content: bytes) -> bytes:
    """A box of kind ``uuid`` with a 16-byte extended type."""
    assert len(uuid) == 16
    return box(b"uuid", uuid + content)


def append(path: Path, content: bytes) -> None:
    """Put bytes behind the last box."""
    with path.open("ab") as file:
        file.write(content)


def turn(path: Path, degrees: int, *, width: int, height: int) -> None:
    """Write a display matrix into the first track (the video): shown turned clockwise by 90, 180 or 270 degrees."""
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd") + 4
    version = content[at]
    matrix_at = at + (52 if version else 40)
    a, b, u, c, d, v = _MATRICES[degrees]
    x, y = {90: (height, 0), 180: (width, height), 270: (0, width)}[degrees]
    struct.pack_into(">9i", content, matrix_at, a, b, u, c, d, v, x << 16, y << 16, 1 << 30)
    path.write_bytes(content)
