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
    header = content.index(b"tkhd", _movie_at(content)) + 4
    matrix_at = header + (52 if content[header] else 40)
    x, y = {90: (height, 0), 180: (width, height), 270: (0, width)}[degrees]
    struct.pack_into(">9i", content, matrix_at, *_MATRICES[degrees], x << 16, y << 16, 1 << 30)
    path.write_bytes(content)


def _movie_at(content: bytearray) -> int:
    """Offset of the ``moov`` box. Raises ``ValueError`` when there is none."""
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"moov":
            return at
        at += size if size != 1 else int(struct.unpack_from(">Q", content, at + 8)[0])
    raise ValueError("no moov box")
