"""What a PNG file is made of, and what it holds besides the picture (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from opendrape.media.kinds import Kind
from opendrape.media.stills.exif import orientation_of
from opendrape.media.stills.facts import PROFILE_BYTES, StillFacts, counted, must

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CRITICAL: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_ANIMATED: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
_NUMBERS: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
"""Fixed-size chunks that only say what the numbers mean as colours."""
_CHANNELS: Final = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
_NAMES: Final = {b"eXIf": "exif", b"tEXt": "comment", b"zTXt": "comment", b"iTXt": "comment", b"tIME": "time_of_day"}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, content and the whole of every chunk up to the end of the image."""
    must(data.startswith(SIGNATURE), "corrupt")
    at = len(SIGNATURE)
    while True:
        must(at + 12 <= len(data), "truncated")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        must(end <= len(data), "truncated")
        content = data[at + 8 : at + 8 + length]
        must(zlib.crc32(kind + content) == int.from_bytes(data[end - 4 : end]), "corrupt")
        yield kind, content, data[at:end]
        if kind == b"IEND":
            return
        at = end


def read_png(data: bytes) -> StillFacts:
    """The facts of a PNG file. ``MediaRefused`` for an animation and for what is damaged."""
    kept, removed, colour = [SIGNATURE], [], {}
    header, profile, orientation, size = b"", None, 1, len(SIGNATURE)
    for kind, content, whole in chunks(data):
        size += len(whole)
        must(kind not in _ANIMATED, "image_animated")
        must(header or kind == b"IHDR", "corrupt")
        if kind == b"IHDR":
            must(not header and len(content) == 13, "corrupt")
            header = content
        if kind in _CRITICAL:
            kept.append(whole)
        elif len(content) == _NUMBERS.get(kind, -1) and kind not in colour:
            colour[kind] = content
        elif kind == b"iCCP" and profile is None:
            profile = _inflated(content)
        else:
            must(kind[0] & 0x20, "image_coding")  # a critical chunk that nobody knows
            orientation = orientation_of(content) if kind == b"eXIf" else orientation
            removed.append(_NAMES.get(kind, "further_data"))
    removed += ["trailing_bytes"] if size != len(data) else []
    width, height, depth, model = struct.unpack_from(">IIBB", header)
    must(width and height and model in _CHANNELS and depth in (1, 2, 4, 8, 16), "corrupt")
    return StillFacts(
        kind=Kind.PNG,
        width=width,
        height=height,
        channels=_CHANNELS[model],
        bit_depth=max(8, depth),
        essential=b"".join(kept),
        orientation=orientation,
        profile=profile,
        colour=tuple(colour.items()),
        removed=counted(removed),
    )


def _inflated(content: bytes) -> bytes:
    name, _, packed = content.partition(b"\0")
    must(len(name) < 80 and packed[:1] == b"\0", "corrupt")
    unpacking = zlib.decompressobj()
    profile = unpacking.decompress(packed[1:], PROFILE_BYTES)
    must(unpacking.eof, "image_colour_profile")
    return profile


def survivors_in_png(data: bytes) -> set[str]:
    """Slugs of what a written file holds besides a picture and what its numbers mean as colours."""
    found, size = set(), len(SIGNATURE)
    for kind, content, whole in chunks(data):
        size += len(whole)
        if kind in _CRITICAL or len(content) == _NUMBERS.get(kind, -1):
            continue
        if kind != b"iCCP" or not content.startswith(b"colour\0\0"):
            found.add("further_data")
    return found | ({"trailing_bytes"} if size != len(data) else set())


def with_colour(data: bytes, colour: tuple[tuple[bytes, bytes], ...], profile: bytes | None) -> bytes:
    """The file with chunks that say what its numbers mean as colours, behind the header."""
    first = len(SIGNATURE) + 12 + 13
    added = [_chunk(kind, content) for kind, content in colour]
    if profile is not None:
        added.append(_chunk(b"iCCP", b"colour\0\0" + zlib.compress(profile, 9)))
    return data[:first] + b"".join(added) + data[first:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
