"""What the parameter sets of an H.264 stream say, as far as splicing needs it (ITU-T H.264, 7.3.2.1, 7.3.2.2, E.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from opendrape.media.bits import BitReader

BASELINE, MAIN, EXTENDED, HIGH = 66, 77, 88, 100
WITH_CHROMA_FORMAT: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})

_OWN_ASPECT: Final = 255
_MOST_NUMBERS: Final = 256
_LARGEST_DPB: Final = {  # MaxDpbMbs by level_idc, table A-1
    **{10: 396, 9: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100, 31: 18000, 32: 20480},
    **{40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320, 60: 696320, 61: 696320, 62: 696320},
}


@dataclass(frozen=True, slots=True)
class Restriction:
    """How many pictures a decoder must hold (E.2.1): at most ``reordered`` wait for an earlier one."""

    motion: str
    reordered: int
    buffered: int


@dataclass(frozen=True, slots=True)
class Format:
    """Chroma layout (1: 4:2:0) and bits a sample; ``bits`` as they stand, empty where the profile implies them."""

    bits: str
    chroma: int
    separate_planes: bool
    depths: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Order:
    """How the order of presentation is coded (7.4.2.1.1, pic_order_cnt_type and what follows it)."""

    kind: int
    lsb_bits: int
    is_implied: bool


@dataclass(frozen=True, slots=True)
class Coding:
    """What slices are read with; ``bits`` as they stand. ``crop``: left, right, top, bottom in units of chroma."""

    bits: str
    frame_number_bits: int
    order: Order
    references: int
    size_in_macroblocks: tuple[int, int]
    frames_only: bool
    crop: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Description:
    """The describing part of a VUI (E.1.1, up to the timing): ``bits`` as they stand, and the colours it names.

    ``colours``: primaries, transfer, matrix, None where nothing is said; ``full_range`` likewise.
    """

    bits: str
    colours: tuple[int, int, int] | None = None
    full_range: bool | None = None


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """One sequence parameter set; ``description`` is None without a VUI."""

    profile: int
    constraints: int
    level: int
    number: int
    format: Format
    coding: Coding
    description: Description | None
    restriction: Restriction | None

    @property
    def reordered(self) -> int | None:
        """How many pictures may wait, None when the stream does not say."""
        if self.restriction is not None:
            return self.restriction.reordered
        return 0 if self.coding.order.kind == 2 or self.profile == BASELINE else None

    @property
    def buffered(self) -> int:
        """How many pictures a decoder holds, by what is said or by the level (A.3.1)."""
        if self.restriction is not None:
            return self.restriction.buffered
        width, height = self.coding.size_in_macroblocks
        return min(16, _LARGEST_DPB.get(self.level, 0) // (width * height))


@dataclass(frozen=True, slots=True)
class PictureSet:
    """One picture parameter set."""

    number: int
    sequence: int
    has_order_delta: bool
    slice_groups: int
    has_redundant_pictures: bool


def sequence_set(unit: bytes) -> SequenceSet:
    """Read a NAL unit of type 7; ``ValueError`` when it is not exactly one parameter set and nothing else."""
    bits = BitReader(unit[1:])
    profile, constraints, level, number = bits.unsigned(8), bits.unsigned(8), bits.unsigned(8), bits.golomb()
    layout = _format(bits) if profile in WITH_CHROMA_FORMAT else Format("", 1, False, (8, 8))
    coding = _coding(bits)
    description, restriction = _usability(bits) if bits.flag() else (None, None)
    if not bits.ends_here():
        raise ValueError("more than a parameter set")
    return SequenceSet(profile, constraints, level, number, layout, coding, description, restriction)


def picture_set(unit: bytes, chroma_format: int) -> PictureSet:
    """Read a NAL unit of type 8; ``ValueError`` when it is not exactly one parameter set without slice groups."""
    bits = BitReader(unit[1:])
    number, sequence = bits.golomb(), bits.golomb()
    bits.flag()  # entropy_coding_mode_flag
    has_order_delta, slice_groups = bits.flag(), bits.golomb() + 1
    if slice_groups > 1:
        raise ValueError("slice groups")
    bits.golomb(), bits.golomb()
    bits.take(3)
    bits.signed_golomb(), bits.signed_golomb(), bits.signed_golomb()
    bits.take(2)
    has_redundant_pictures = bits.flag()
    if bits.has_more():
        large = bits.flag()
        if bits.flag():
            _scaling_lists(bits, 6 + (2 if chroma_format != 3 else 6) * large)
        bits.signed_golomb()
    if not bits.ends_here():
        raise ValueError("more than a parameter set")
    return PictureSet(number, sequence, has_order_delta, slice_groups, has_redundant_pictures)


def _format(bits: BitReader) -> Format:
    start, chroma = bits.position, bits.golomb()
    separate = bits.flag() if chroma == 3 else False
    depths = (bits.golomb() + 8, bits.golomb() + 8)
    bits.flag()  # qpprime_y_zero_transform_bypass_flag
    if bits.flag():
        _scaling_lists(bits, 8 if chroma != 3 else 12)
    return Format(bits.since(start), chroma, separate, depths)


def _coding(bits: BitReader) -> Coding:
    start, frame_number_bits = bits.position, bits.golomb() + 4
    order, references = _order(bits), bits.golomb()
    bits.flag()  # gaps_in_frame_num_value_allowed_flag
    size = (bits.golomb() + 1, bits.golomb() + 1)
    frames_only = bits.flag()
    bits.take(1 if frames_only else 2)  # mb_adaptive_frame_field_flag, direct_8x8_inference_flag
    crop = (bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()) if bits.flag() else (0, 0, 0, 0)
    return Coding(bits.since(start), frame_number_bits, order, references, size, frames_only, crop)


def _scaling_lists(bits: BitReader, count: int) -> None:
    for at in range(count):
        if bits.flag():
            last = following = 8
            for _ in range(16 if at < 6 else 64):
                if following:
                    following = (last + bits.signed_golomb()) % 256
                last = following or last


def _order(bits: BitReader) -> Order:
    kind = bits.golomb()
    if kind > 2:
        raise ValueError("no such order")
    if kind != 1:
        return Order(kind, bits.golomb() + 4 if kind == 0 else 0, True)
    is_implied = bits.flag()
    bits.signed_golomb(), bits.signed_golomb()
    numbers = bits.golomb()
    if numbers > _MOST_NUMBERS:
        raise ValueError("too many numbers")
    for _ in range(numbers):
        bits.signed_golomb()
    return Order(kind, 0, is_implied)


def _usability(bits: BitReader) -> tuple[Description, Restriction | None]:
    start = bits.position
    if bits.flag() and bits.unsigned(8) == _OWN_ASPECT:
        bits.take(32)
    if bits.flag():
        bits.flag()
    full_range, colours = _colours(bits) if bits.flag() else (None, None)
    if bits.flag():
        bits.golomb(), bits.golomb()
    if bits.flag():
        bits.take(65)
    description = Description(bits.since(start), colours, full_range)
    models = sum(_buffer_model(bits) for _ in range(2) if bits.flag())
    bits.take(2 if models else 1)
    return description, _restriction(bits) if bits.flag() else None


def _colours(bits: BitReader) -> tuple[bool, tuple[int, int, int] | None]:
    bits.take(3)
    full_range = bits.flag()
    return full_range, (bits.unsigned(8), bits.unsigned(8), bits.unsigned(8)) if bits.flag() else None


def _buffer_model(bits: BitReader) -> int:
    count = bits.golomb() + 1
    if count > 32:
        raise ValueError("too many buffers")
    bits.take(8)
    for _ in range(count):
        bits.golomb(), bits.golomb(), bits.flag()
    bits.take(20)
    return 1


def _restriction(bits: BitReader) -> Restriction:
    start = bits.position
    bits.flag()
    for _ in range(4):
        bits.golomb()
    return Restriction(bits.since(start), bits.golomb(), bits.golomb())
