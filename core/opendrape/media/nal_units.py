"""Which NAL units an H.264 packet consists of (ITU-T H.264, 7.3.1 and annex B; ISO/IEC 14496-15, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

SLICE, IDR_SLICE, SEI, SEQUENCE_PARAMETERS, PICTURE_PARAMETERS = 1, 5, 6, 7, 8
PICTURE_DATA: Final = frozenset({SLICE, IDR_SLICE})
_START_CODE: Final = b"\x00\x00\x01"
_LENGTH_BYTES: Final = 4


def annex_b_units(payload: bytes) -> Iterator[bytes]:
    """NAL units of a packet with start codes. Zeros in front of a start code belong to it, never to a unit."""
    units = payload.split(_START_CODE)
    for unit in units[1:]:
        yield unit.rstrip(b"\x00")


def length_prefixed_units(payload: bytes) -> Iterator[bytes]:
    """NAL units of a packet as MP4 stores it, four bytes of length first; ``ValueError`` when they do not add up."""
    return prefixed_units(payload, _LENGTH_BYTES)


def prefixed_units(payload: bytes, length_bytes: int) -> Iterator[bytes]:
    """NAL units of a packet, each after its length in ``length_bytes`` bytes; ``ValueError`` as above."""
    at = 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + length_bytes])
        at += length_bytes
        if not 0 < size <= len(payload) - at:
            raise ValueError("lengths of NAL units do not add up")
        yield payload[at : at + size]
        at += size


def with_lengths(units: Iterable[bytes]) -> bytes:
    """The packet that :func:`length_prefixed_units` takes apart."""
    return b"".join(part for unit in units for part in (len(unit).to_bytes(_LENGTH_BYTES), unit))


def unit_type(unit: bytes) -> int:
    """nal_unit_type of a unit that is not empty."""
    return unit[0] & 0x1F
