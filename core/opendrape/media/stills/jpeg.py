"""What a JPEG file is made of, and what it holds besides the picture (ITU-T T.81)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from opendrape.media.kinds import Kind
from opendrape.media.stills.exif import orientation_of
from opendrape.media.stills.facts import StillFacts, counted, must

_SOI, _EOI, _SOS, _COMMENT, _DNL = 0xD8, 0xD9, 0xDA, 0xFE, 0xDC
_APPLICATION: Final = range(0xE0, 0xF0)
_JFIF, _APP1, _APP2, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantisation, restart interval
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_READ: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: Huffman-coded, 8 bits
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EXIF, _XMP, _ICC, _MPF = b"Exif\0\0", b"http://ns.adobe.com/x", b"ICC_PROFILE\0", b"MPF\0"
_PLAIN_JFIF: Final = 14
_ADOBE_BYTES: Final = 12
_SAMPLINGS: Final = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment with its content; the whole of a scan's (``SOS``) goes up to the next marker."""

    marker: int
    content: bytes
    whole: bytes
    end: int


@dataclass
class _Parts:
    kept: list[bytes] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    profile: list[tuple[int, bytes]] = field(default_factory=list)
    orientation: int = 1
    frame: bytes | None = None
    transform: int | None = None


def segments(data: bytes) -> Iterator[Segment]:
    """Every segment from start to end of the image; what follows the end is not looked at."""
    must(data[:2] == b"\xff\xd8", "corrupt")
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        must(at + 1 < len(data), "truncated")
        must(data[at] == 0xFF, "corrupt")
        marker = data[at + 1]
        if marker == _EOI:
            yield Segment(marker, b"", data[at : at + 2], at + 2)
            return
        must(marker not in range(0xD0, 0xD9) and marker > 1, "corrupt")
        end = _end_of(data, at, marker)
        length = int.from_bytes(data[at + 2 : at + 4])
        yield Segment(marker, data[at + 4 : at + 2 + length], data[at:end], end)
        at = end


def _end_of(data: bytes, at: int, marker: int) -> int:
    must(at + 4 <= len(data), "truncated")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
    must(end >= at + 4, "corrupt")
    must(end <= len(data), "truncated")
    if marker != _SOS:
        return end
    following = _NEXT_MARKER.search(data, end)
    must(following, "truncated")
    assert following is not None
    return following.start()


def read_jpeg(data: bytes) -> StillFacts:
    """The facts of a JPEG file. ``MediaRefused`` for what is damaged, or coded in a way that is not read."""
    parts, end = _Parts(kept=[data[:2]]), 2
    for segment in segments(data):
        end = segment.end
        _take(parts, segment)
    if end < len(data):
        parts.removed.append("trailing_bytes")
    must(parts.frame, "corrupt")
    assert parts.frame is not None
    height, width, channels = struct.unpack_from(">HHB", parts.frame, 1)
    must(width and height, "corrupt")
    must(channels in (1, 3), "image_colour_model")
    return StillFacts(
        kind=Kind.JPEG,
        width=width,
        height=height,
        channels=channels,
        bit_depth=8,
        essential=b"".join(parts.kept),
        orientation=parts.orientation,
        lossless=False,
        sampling=_sampling(parts.frame, channels),
        profile=b"".join(part for _, part in sorted(parts.profile)) or None,
        removed=counted(parts.removed),
    )


def _take(parts: _Parts, segment: Segment) -> None:
    marker, content = segment.marker, segment.content
    if marker in _FRAMES:
        must(marker in _READ and content[:1] == b"\x08", "image_coding")
        must(parts.frame is None and len(content) == 6 + 3 * content[5], "corrupt")
        parts.frame = content
    must(marker != _DNL, "image_coding")
    if marker in _APPLICATION or marker == _COMMENT:
        _take_aside(parts, segment)
    else:
        must(marker in _FRAMES | _TABLES | {_SOS, _EOI}, "image_coding")
        parts.kept.append(segment.whole)


def _take_aside(parts: _Parts, segment: Segment) -> None:
    """What is no part of the coded picture; two short ones say how its colours are coded and are kept for that."""
    marker, content = segment.marker, segment.content
    if marker == _JFIF and content[:5] == b"JFIF\0" and len(content) >= _PLAIN_JFIF:
        parts.kept.append(b"\xff\xe0\x00\x10" + content[:7] + b"\0\0\x01\0\x01\0\0")
        parts.removed += ["thumbnail"] if len(content) > _PLAIN_JFIF else []
        return
    if marker == _ADOBE and content[:5] == b"Adobe" and len(content) >= _ADOBE_BYTES:
        parts.kept.append(b"\xff\xee\x00\x0e" + content[:_ADOBE_BYTES])
        return
    if marker == _APP2 and content.startswith(_ICC):
        parts.profile.append((content[12] if len(content) > 12 else 0, content[14:]))
        return
    if marker == _APP1 and content.startswith(_EXIF) and parts.orientation == 1:
        parts.orientation = orientation_of(content[6:])
    parts.removed.append(_name(marker, content))


def _name(marker: int, content: bytes) -> str:
    if marker == _APP1:
        return "exif" if content.startswith(_EXIF) else "xmp" if content.startswith(_XMP) else "application_data"
    if marker == _APP2 and content.startswith(_MPF):
        return "further_pictures"
    return "comment" if marker == _COMMENT else "application_data"


def _sampling(frame: bytes, channels: int) -> str:
    if channels == 1:
        return ""
    factors = [(frame[7 + 3 * n] >> 4, frame[7 + 3 * n] & 15) for n in range(channels)]
    luma, *chroma = factors
    return _SAMPLINGS.get(luma, "444") if all(one == (1, 1) for one in chroma) else "444"


def survivors_in_jpeg(data: bytes) -> set[str]:
    """Slugs of what a written file holds besides a picture and a colour profile."""
    found, end = set(), 2
    for segment in segments(data):
        end = segment.end
        if segment.marker == _JFIF:
            if segment.content != b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0":
                found.add("density_or_thumbnail")
        elif segment.marker == _COMMENT:
            found.add("comment")
        elif segment.marker in _APPLICATION and not (segment.marker == _APP2 and segment.content.startswith(_ICC)):
            found.add("application_data")
    return found | ({"trailing_bytes"} if end != len(data) else set())


def with_profile(data: bytes, profile: bytes) -> bytes:
    """The file with a colour profile behind its first segment."""
    first = 2 + 2 + int.from_bytes(data[4:6])
    size = 65519
    pieces = [profile[at : at + size] for at in range(0, len(profile), size)]
    blocks = [
        b"\xff\xe2" + (2 + 14 + len(piece)).to_bytes(2) + _ICC + bytes([number, len(pieces)]) + piece
        for number, piece in enumerate(pieces, 1)
    ]
    return data[:first] + b"".join(blocks) + data[first:]
