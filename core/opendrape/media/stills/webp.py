"""What a WebP file is made of, and what it holds besides the picture (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from opendrape.media.kinds import Kind
from opendrape.media.stills.exif import orientation_of
from opendrape.media.stills.facts import StillFacts, counted, must

_PICTURE: Final = (b"VP8 ", b"VP8L")
_NAMES: Final = {b"EXIF": "exif", b"XMP ": "xmp"}
_PROFILE_FLAG, _ALPHA_FLAG = 0x20, 0x10


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every chunk inside the RIFF's size."""
    must(data[:4] == b"RIFF" and data[8:12] == b"WEBP", "corrupt")
    end = 8 + int.from_bytes(data[4:8], "little")
    must(end <= len(data), "truncated")
    at = 12
    while at < end:
        must(at + 8 <= end, "corrupt")
        kind, length = struct.unpack_from("<4sI", data, at)
        must(at + 8 + length <= end, "truncated")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def read_webp(data: bytes) -> StillFacts:
    """The facts of a WebP file. ``MediaRefused`` for an animation and for what is damaged."""
    picture, alpha, profile, removed, orientation = None, None, None, [], 1
    for kind, content in chunks(data):
        must(kind not in (b"ANIM", b"ANMF"), "image_animated")
        if kind in _PICTURE:
            must(picture is None, "corrupt")
            picture = kind, content
        elif kind == b"ALPH" and alpha is None:
            alpha = content
        elif kind == b"ICCP" and profile is None:
            profile = content
        elif kind != b"VP8X":
            orientation = _orientation(content) if kind == b"EXIF" else orientation
            removed.append(_NAMES.get(kind, "further_data"))
    if len(data) > 8 + int.from_bytes(data[4:8], "little"):
        removed.append("trailing_bytes")
    must(picture, "corrupt")
    assert picture is not None
    width, height = _size(*picture)
    return StillFacts(
        kind=Kind.WEBP,
        width=width,
        height=height,
        channels=3,
        bit_depth=8,
        essential=_file(width, height, picture, alpha, None),
        orientation=orientation,
        lossless=picture[0] == b"VP8L",
        profile=profile,
        removed=counted(removed),
    )


def _orientation(content: bytes) -> int:
    return orientation_of(content.removeprefix(b"Exif\0\0"))


def _size(kind: bytes, content: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        must(content[:1] == b"\x2f" and len(content) >= 5, "corrupt")
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    must(content[3:6] == b"\x9d\x01\x2a" and len(content) >= 10, "corrupt")
    width, height = struct.unpack_from("<HH", content, 6)
    must(width & 0x3FFF and height & 0x3FFF, "corrupt")
    return width & 0x3FFF, height & 0x3FFF


def _file(width: int, height: int, picture: tuple[bytes, bytes], alpha: bytes | None, profile: bytes | None) -> bytes:
    body = b""
    if alpha is not None or profile is not None:
        flags = (_ALPHA_FLAG if alpha is not None else 0) | (_PROFILE_FLAG if profile is not None else 0)
        extended = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body += _chunk(b"VP8X", extended)
    body += b"" if profile is None else _chunk(b"ICCP", profile)
    body += b"" if alpha is None else _chunk(b"ALPH", alpha)
    body += _chunk(*picture)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def survivors_in_webp(data: bytes) -> set[str]:
    """Slugs of what a written file holds besides a picture and its colour profile."""
    found = {"further_data" for kind, _ in chunks(data) if kind not in (*_PICTURE, b"VP8X", b"ICCP")}
    return found | ({"trailing_bytes"} if len(data) != 8 + int.from_bytes(data[4:8], "little") else set())


def with_profile(data: bytes, profile: bytes) -> bytes:
    """The file, of one opaque picture, with a colour profile."""
    picture = next((kind, content) for kind, content in chunks(data) if kind in _PICTURE)
    return _file(*_size(*picture), picture, None, profile)
