"""Which NAL units of H.264 and HEVC are picture data, and which may hold text (ITU-T H.264, 7.4.1; H.265, 7.4.2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class UnitKinds:
    """Numbers of NAL unit types of one codec."""

    pictures: frozenset[int]
    supplemental: frozenset[int]
    parameters: frozenset[int]
    header_bytes: int

    def kind(self, unit: bytes) -> int:
        """nal_unit_type of a unit that is not empty."""
        return unit[0] & 0x1F if self.header_bytes == 1 else unit[0] >> 1 & 0x3F


H264: Final = UnitKinds(frozenset({1, 5}), frozenset({6}), frozenset({7, 8}), 1)
HEVC: Final = UnitKinds(frozenset({*range(10), *range(16, 22)}), frozenset({39, 40}), frozenset({32, 33, 34}), 2)
UNIT_KINDS: Final = {"h264": H264, "hevc": HEVC}
"""By FFmpeg's name of the decoder."""


def units_in_hvcc(record: bytes) -> Iterator[bytes]:
    """Parameter sets in an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).

    ``ValueError`` when the record does not consist of them alone.
    """
    at = 23
    for _ in range(_at(record, 22)):
        count, at = int.from_bytes(record[at + 1 : at + 3]), at + 3
        for _ in range(count):
            unit, at = _unit(record, at)
            yield unit
    if at != len(record):
        raise ValueError("bytes behind the configuration")


def _unit(record: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(record[at : at + 2])
    if not 0 < size <= len(record) - at - 2:
        raise ValueError("sizes in the configuration do not add up")
    return record[at + 2 : at + 2 + size], at + 2 + size


def _at(record: bytes, at: int) -> int:
    if at >= len(record):
        raise ValueError("the configuration ends early")
    return record[at]
