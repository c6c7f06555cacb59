"""Which compressed sound may be copied as it is, and what is taken out of its packets first (V-08, V-09).

AAC: ISO/IEC 14496-3, 1.6 (AudioSpecificConfig), 1.A.2 (ADTS) and 4.4.2.1 (raw_data_block). MP3: ISO/IEC 11172-3, 2.4.2.
Opus: RFC 6716, 3 and RFC 7845, 5.1. What lies deeper in a packet than its first elements cannot be seen without
decoding; letters in a row at any bit position are looked for, and a stream that has them is never copied.
"""

from __future__ import annotations

import re
from typing import Final

COPYABLE: Final = frozenset({"aac", "mp3", "ac3", "eac3", "opus"})
"""FFmpeg's names of the codecs that MP4 carries and that a player can be expected to play."""

_LETTERS: Final = re.compile(rb"[A-Za-z0-9 .,:;_/@'()+-]{16,}")
_FEWEST_LETTERS: Final = 16
_FEWEST_KINDS_OF_LETTERS: Final = 5
_SINGLE, _PAIR, _DATA_ELEMENT, _PROGRAM_CONFIG, _FILL = 0, 1, 4, 5, 6
_PLAIN_OBJECTS: Final = frozenset({2, 5, 29})  # LC, LC with SBR, with SBR and PS
_NAMED_MPEG_FRAMES: Final = (b"Xing", b"Info", b"VBRI", b"LAME", b"Lavc", b"Lavf")


class UnfitToCopy(ValueError):
    """This stream cannot be proven free of other things than sound; it is decoded and encoded anew."""


def clean_packet(codec: str, payload: bytes) -> bytes:
    """``payload`` as it may be written; raises :class:`UnfitToCopy`. Samples decode as before, bit for bit."""
    payload = without_text(codec, _without_adts(payload) if codec == "aac" else payload)
    if holds_letters(payload):
        raise UnfitToCopy("letters")
    return payload


def without_text(codec: str, payload: bytes) -> bytes:
    """``payload`` without what its format sets apart for text in front of the sound; raises :class:`UnfitToCopy`."""
    if codec == "aac":
        return _without_aac_text(payload)
    if codec == "opus" and _is_padded_opus(payload):
        raise UnfitToCopy("padding")
    if codec == "mp3" and any(name in payload for name in _NAMED_MPEG_FRAMES):
        raise UnfitToCopy("encoder name")
    return payload


def clean_header(codec: str, extradata: bytes | None, first_packet: bytes) -> bytes | None:
    """The decoder's configuration as it may be written; raises :class:`UnfitToCopy` for one with room for more."""
    if codec == "aac":
        return _plain_aac_header(extradata) if extradata else _header_from_adts(first_packet)
    if codec == "opus":
        return _plain_opus_header(extradata or b"")
    return None


def holds_letters(payload: bytes, *, least: int = _FEWEST_LETTERS) -> bool:
    """True when ``least`` (sixteen) or more letters, digits or marks stand in a row, at any bit position."""
    number, size = int.from_bytes(payload), len(payload)
    for shift in range(8):
        shifted = payload if shift == 0 else (number >> shift).to_bytes(size)
        if any(_is_like_text(found[0], least) for found in _LETTERS.finditer(shifted)):
            return True
    return False


def _is_like_text(letters: bytes, least: int) -> bool:
    """Long enough, of several letters, and not one letter most of the time: stuffing repeats itself."""
    kinds = set(letters)
    is_varied = len(kinds) >= _FEWEST_KINDS_OF_LETTERS and 2 * max(map(letters.count, kinds)) <= len(letters)
    return is_varied and len(letters) >= least


def is_adts(payload: bytes) -> bool:
    """True for an AAC packet with a transport header."""
    return len(payload) > 7 and payload[0] == 0xFF and payload[1] & 0xF6 == 0xF0


def _without_adts(payload: bytes) -> bytes:
    if not is_adts(payload):
        return payload
    size = int.from_bytes(payload[3:6]) >> 5 & 0x1FFF
    if payload[6] & 3 or size != len(payload):
        raise UnfitToCopy("several blocks in a packet")
    return payload[7 if payload[1] & 1 else 9 :]


def _header_from_adts(payload: bytes) -> bytes:
    if not is_adts(payload):
        raise UnfitToCopy("no configuration")
    kind, rate = (payload[2] >> 6) + 1, payload[2] >> 2 & 15
    channels = (payload[2] & 1) << 2 | payload[3] >> 6
    return _plain_aac_header((kind << 11 | rate << 7 | channels << 3).to_bytes(2))


def _plain_aac_header(extradata: bytes) -> bytes:
    """Only configurations whose every bit is known: a longer one may hold a comment."""
    bits = int.from_bytes(extradata[:2])
    kind, rate, channels = bits >> 11, bits >> 7 & 15, bits >> 3 & 15
    expected = {2: (2, 5), 5: (4,), 29: (4,)}.get(kind, ())
    has_extension = len(extradata) != 5 or extradata[2:4] in (b"\x56\xe5", b"\x56\xe0")
    if kind not in _PLAIN_OBJECTS or rate == 15 or channels not in range(1, 8):
        raise UnfitToCopy("configuration")
    if len(extradata) not in expected or not has_extension:
        raise UnfitToCopy("configuration")
    return extradata


def _plain_opus_header(extradata: bytes) -> bytes:
    if not extradata.startswith(b"OpusHead") or len(extradata) < 19:
        raise UnfitToCopy("configuration")
    channels, family = extradata[9], extradata[18]
    if len(extradata) != (19 if family == 0 else 21 + channels) or family not in (0, 1):
        raise UnfitToCopy("configuration")
    return extradata


def _is_padded_opus(payload: bytes) -> bool:
    return len(payload) > 1 and payload[0] & 3 == 3 and bool(payload[1] & 0x40)


def _without_aac_text(payload: bytes) -> bytes:
    """Without the fill and data elements in front, where encoders write their names; the rest is moved up by bits."""
    number, bits = int.from_bytes(payload), 8 * len(payload)
    while (unwanted := _leading_bits(number, bits, 8 * len(payload))) > 0:
        bits -= unwanted
        number &= (1 << bits) - 1
    if bits == 8 * len(payload):
        return payload
    rest = -bits % 8
    return (number << rest).to_bytes((bits + rest) // 8)


def _leading_bits(number: int, bits: int, all_bits: int) -> int:
    """How long the unwanted first element is; 0 when sound comes first."""

    def peek(start: int, count: int) -> int:
        if start + count > bits:
            raise UnfitToCopy("packet ends early")
        return number >> (bits - start - count) & ((1 << count) - 1)

    element = peek(0, 3)
    if element == _PROGRAM_CONFIG:
        raise UnfitToCopy("program configuration")
    if element == _FILL:
        count, head = peek(3, 4), 7
        if count == 15:
            count, head = 14 + peek(7, 8), 15
        return _within(head + 8 * count, bits)
    if element == _DATA_ELEMENT:
        aligned, count, head = peek(7, 1), peek(8, 8), 16
        if count == 255:
            count, head = 255 + peek(16, 8), 24
        if aligned:
            head += -(all_bits - bits + head) % 8
        return _within(head + 8 * count, bits)
    return 0


def _within(length: int, bits: int) -> int:
    if length >= bits:
        raise UnfitToCopy("nothing but filling")
    return length
