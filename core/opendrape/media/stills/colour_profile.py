"""What of a colour profile says how numbers become colours, and nothing else of it (ICC.1).

A profile may name a device, its serial number, a person or a licence. A matrix and tone curves are enough for a display
profile; they are put into a new one with fixed words. Profiles of any other kind would change the picture when they are
left out, so they are refused.
"""

from __future__ import annotations

import struct
from typing import Final

from opendrape.media.stills.facts import PROFILE_BYTES, must

_HEADER: Final = 128
_SPACES: Final = {b"RGB ": 3, b"GRAY": 1}
_RGB_TAGS: Final = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
_GREY_TAGS: Final = (b"kTRC",)
_OPTIONAL: Final = (b"wtpt", b"chad", b"bkpt")
_TYPES: Final = {
    **dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"bkpt"), (b"XYZ ",)),
    **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), (b"curv", b"para")),
    b"chad": (b"sf32",),
}
_TABLES: Final = (b"A2B0", b"A2B1", b"A2B2", b"D2B0")
_MOST_TAGS: Final = 100
_PARAMETERS: Final = (1, 3, 4, 5, 7)


def clean_profile(profile: bytes, *, channels: int) -> bytes:
    """A profile with the same effect and nothing else in it; the same bytes for one that is clean already.

    ``MediaRefused`` (``image_colour_profile``) for a damaged one, or one that is more than a matrix and curves.
    """
    must(_HEADER + 4 <= len(profile) <= PROFILE_BYTES and profile[36:40] == b"acsp", "image_colour_profile")
    must(_SPACES.get(profile[16:20]) == channels and profile[20:24] == b"XYZ ", "image_colour_profile")
    tags = _tags(profile)
    needed = _RGB_TAGS if channels == 3 else _GREY_TAGS
    must(all(tag in tags for tag in needed) and not any(tag in tags for tag in _TABLES), "image_colour_profile")
    kept = {tag: _checked(tag, tags[tag]) for tag in (*needed, *_OPTIONAL) if tag in tags}
    return _built(profile, kept)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    must(count <= _MOST_TAGS and _HEADER + 4 + 12 * count <= len(profile), "image_colour_profile")
    tags = {}
    for number in range(count):
        tag, start, size = struct.unpack_from(">4sII", profile, _HEADER + 4 + 12 * number)
        must(start + size <= len(profile) and size >= 8, "image_colour_profile")
        tags[tag] = profile[start : start + size]
    return tags


def _checked(tag: bytes, content: bytes) -> bytes:
    """Exactly the bytes that the tag's type needs: nothing hides behind them."""
    kind = content[:4]
    must(kind in _TYPES[tag], "image_colour_profile")
    size = {b"XYZ ": 20, b"sf32": 44}.get(kind, 0)
    if kind == b"curv":
        size = 12 + 2 * int.from_bytes(content[8:12])
    if kind == b"para":
        form = int.from_bytes(content[8:10])
        must(form < len(_PARAMETERS), "image_colour_profile")
        size = 12 + 4 * _PARAMETERS[form]
    must(len(content) >= size, "image_colour_profile")
    return kind + bytes(4) + content[8:size]


def _built(profile: bytes, kept: dict[bytes, bytes]) -> bytes:
    version = profile[8:10] + bytes(2)
    texts = {b"desc": _words(profile[8]), b"cprt": _words(profile[8], is_copyright=True)}
    tags = {**texts, **kept}
    header = bytearray(_HEADER)
    header[8:12], header[12:16] = version, b"mntr"
    header[16:24], header[36:40] = profile[16:24], b"acsp"
    header[68:80] = bytes.fromhex("0000f6d6000100000000d32d")  # D50, as every profile says
    table, body = bytearray(struct.pack(">I", len(tags))), bytearray()
    first = _HEADER + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, first + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    whole = header + table + body
    whole[:4] = struct.pack(">I", len(whole))
    return bytes(whole)


def _words(version: int, *, is_copyright: bool = False) -> bytes:
    if version >= 4:
        text = "colour".encode("utf-16-be")
        return b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    if is_copyright:
        return b"text" + bytes(4) + b"colour\0"
    return b"desc" + bytes(4) + struct.pack(">I", 7) + b"colour\0" + bytes(78)
