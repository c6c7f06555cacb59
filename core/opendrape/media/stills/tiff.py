"""What a TIFF file is made of, what it holds besides the picture, and how a plain one is written (TIFF 6.0)."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from opendrape.media.kinds import Kind
from opendrape.media.stills.facts import PROFILE_BYTES, StillFacts, counted, must

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _BYTES = 273, 274, 277, 278, 279
_PLANAR, _TILE_OFFSETS, _SUB_FILES, _EXTRA, _FORMAT, _PROFILE = 284, 324, 330, 338, 339, 34675
_NEEDED: Final = frozenset(
    {254, *range(256, 260), 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 338, 339}
)
_WRITTEN: Final = frozenset({_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _SAMPLES, _ROWS, _BYTES})
_NAMES: Final = {34665: "exif", 34853: "exif", 700: "xmp", 270: "comment", 315: "comment", 306: "time_of_day"}
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_CODES: Final = {1: "B", 3: "H", 4: "I"}
_READ_COMPRESSIONS: Final = frozenset({1, 5, 8, 32773, 32946})  # none, LZW, deflate, PackBits, deflate as it was
_DEFLATE: Final = 8
_GREY, _RGB = 1, 2
_MOST_ENTRIES: Final = 512
_TAKEN_PARTS: Final = 2**20

Entry = tuple[int, int, bytes]
"""Type, count and the bytes of the values."""


class _File:
    """One classic TIFF file and its only directory."""

    def __init__(self, data: bytes) -> None:
        self.data, self.order = data, {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
        must(self.order, "image_coding")  # BigTIFF and the like
        first = self._number("I", 4)
        count = self._number("H", first)
        must(0 < count <= _MOST_ENTRIES, "corrupt")
        self.first = first + 2
        self.entries = dict(self._entry(self.first + 12 * n) for n in range(count))
        must(self._number("I", first + 2 + 12 * count) == 0, "image_animated")
        must(_SUB_FILES not in self.entries, "image_animated")
        self.end = first + 6 + 12 * count

    def _number(self, code: str, at: int) -> int:
        must(at + struct.calcsize(code) <= len(self.data), "truncated")
        return int(struct.unpack_from(self.order + code, self.data, at)[0])

    def _entry(self, at: int) -> tuple[int, Entry]:
        tag, kind, count = self._number("H", at), self._number("H", at + 2), self._number("I", at + 4)
        size = _SIZES.get(kind, 1) * count
        start = at + 8 if size <= 4 else self._number("I", at + 8)
        must(start + size <= len(self.data), "truncated")
        return tag, (kind, count, self.data[start : start + size])

    def as_stored(self) -> bytes:
        """The file without its orientation: a decoder that would turn the picture by itself does not."""
        changed = bytearray(self.data)
        for at in range(self.first, self.end - 4, 12):
            if self._number("H", at) == _ORIENTATION:
                changed[at + 8 : at + 12] = struct.pack(self.order + "HH", 1, 0)
        return bytes(changed)

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The whole numbers of a tag."""
        kind, count, content = self.entries.get(tag, (0, 0, b""))
        if not count:
            return default
        must(kind in _CODES and count <= _TAKEN_PARTS, "corrupt")
        return struct.unpack(f"{self.order}{count}{_CODES[kind]}", content)

    def number(self, tag: int, default: int | None = None) -> int:
        """The one whole number of a tag."""
        found = self.numbers(tag, () if default is None else (default,))
        must(len(found) >= 1, "corrupt")
        return found[0]


def read_tiff(data: bytes) -> StillFacts:
    """The facts of a TIFF file. ``MediaRefused`` for several pages and for everything but plain grey and RGB."""
    file = _File(data)
    samples, extra = file.number(_SAMPLES, 1), file.numbers(_EXTRA)
    bits = set(file.numbers(_BITS, (1,)))
    must(file.number(_COMPRESSION, 1) in _READ_COMPRESSIONS and _TILE_OFFSETS not in file.entries, "image_coding")
    must(bits in ({8}, {16}) and set(file.numbers(_FORMAT, (1,))) == {1}, "image_sample_format")
    must(file.number(_PLANAR, 1) == 1, "image_coding")
    photometric, channels = file.number(_PHOTOMETRIC), samples - len(extra)
    must((photometric, channels) in ((_GREY, 1), (_RGB, 3)) and len(extra) <= 1, "image_colour_model")
    must(channels == 3 or not extra, "image_transparency")
    width, height, orientation = file.number(_WIDTH), file.number(_HEIGHT), file.number(_ORIENTATION, 1)
    must(width and height and 1 <= orientation <= 8, "corrupt")
    removed = [_NAMES.get(tag, "further_data") for tag in file.entries if tag not in _NEEDED and tag != _PROFILE]
    profile = file.entries[_PROFILE][2] if _PROFILE in file.entries else None
    must(profile is None or len(profile) <= PROFILE_BYTES, "image_colour_profile")
    return StillFacts(
        kind=Kind.TIFF,
        width=width,
        height=height,
        channels=channels,
        bit_depth=max(bits),
        essential=file.as_stored(),
        orientation=orientation,
        profile=profile,
        removed=counted(removed),
    )


def written_tiff(
    rows: bytes, *, width: int, height: int, channels: int, bit_depth: int, profile: bytes | None
) -> bytes:
    """A file with one deflated strip of ``rows``: little-endian samples, red first, no padding."""
    strip = zlib.compress(rows, 6)
    entries: list[tuple[int, int, tuple[int, ...] | bytes]] = [
        (_WIDTH, 4, (width,)),
        (_HEIGHT, 4, (height,)),
        (_BITS, 3, (bit_depth,) * channels),
        (_COMPRESSION, 3, (_DEFLATE,)),
        (_PHOTOMETRIC, 3, (_GREY if channels == 1 else _RGB,)),
        (_OFFSETS, 4, (8,)),
        (_SAMPLES, 3, (channels,)),
        (_ROWS, 4, (height,)),
        (_BYTES, 4, (len(strip),)),
        *([(_PROFILE, 7, profile)] if profile is not None else []),
    ]
    body = bytearray(b"II*\0\0\0\0\0" + strip + b"\0" * (len(strip) % 2))
    directory = bytearray(struct.pack("<H", len(entries)))
    for tag, kind, values in entries:
        content = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
        directory += struct.pack("<HHI", tag, kind, len(values))
        if len(content) <= 4:
            directory += content.ljust(4, b"\0")
        else:
            directory += struct.pack("<I", len(body))
            body += content + b"\0" * (len(content) % 2)
    body[4:8] = struct.pack("<I", len(body))
    return bytes(body + directory + b"\0\0\0\0")


def survivors_in_tiff(data: bytes) -> set[str]:
    """Slugs of what a written file holds besides a picture and its colour profile: every byte is accounted for."""
    file = _File(data)
    found = {"further_data" for tag in file.entries if tag not in _WRITTEN | {_PROFILE}}
    outside = sum(len(content) + len(content) % 2 for _, _, content in file.entries.values() if len(content) > 4)
    strip = sum(file.numbers(_BYTES))
    accounted = 8 + strip + strip % 2 + outside + 6 + 12 * len(file.entries)
    return found | ({"trailing_bytes"} if accounted != len(data) or file.end != len(data) else set())
