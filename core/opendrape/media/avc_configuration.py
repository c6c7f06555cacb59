"""Which parameter sets the head of an H.264 stream holds, and how two streams' sets share one head.

Sources: ISO/IEC 14496-15, 5.3.3.1 (AVCDecoderConfigurationRecord); ITU-T H.264, annex B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opendrape.media.bits import BitReader
from opendrape.media.nal_units import (
    PICTURE_PARAMETERS,
    SEQUENCE_PARAMETERS,
    annex_b_units,
    prefixed_units,
    unit_type,
)
from opendrape.media.parameter_sets import WITH_CHROMA_FORMAT, PictureSet, SequenceSet, picture_set, sequence_set

_VERSION = 1
_SHORTEST = 7


@dataclass(frozen=True)
class StreamHead:
    """The one sequence parameter set of a stream and its picture parameter sets, read and as they stand.

    ``length_bytes`` is how many bytes give a unit's length in a packet, 0 where start codes part the units.
    """

    sequence_unit: bytes
    picture_units: tuple[bytes, ...]
    sequence: SequenceSet
    pictures: dict[int, PictureSet]
    length_bytes: int

    def units_of(self, payload: bytes) -> list[bytes]:
        """NAL units of one of the stream's packets; ``ValueError`` when its bytes do not add up."""
        if not self.length_bytes:
            return [unit for unit in annex_b_units(payload) if unit]
        return list(prefixed_units(payload, self.length_bytes))


def stream_head(extradata: bytes) -> StreamHead:
    """Read what precedes a stream, in either form; ``ValueError`` for anything but one whole set of parameters."""
    is_record = extradata[:1] == bytes([_VERSION])
    units = _units_of_record(extradata) if is_record else [unit for unit in annex_b_units(extradata) if unit]
    sequences = {unit for unit in units if unit_type(unit) == SEQUENCE_PARAMETERS}
    pictures = tuple(dict.fromkeys(unit for unit in units if unit_type(unit) == PICTURE_PARAMETERS))
    if len(sequences) != 1 or not pictures:
        raise ValueError("not one set of parameters")
    head = _read(sequences.pop(), pictures, (extradata[4] & 3) + 1 if is_record else 0)
    if len(head.pictures) != len(pictures) or {found.sequence for found in head.pictures.values()} != {
        head.sequence.number
    }:
        raise ValueError("not one set of parameters")
    return head


def _read(sequence_unit: bytes, picture_units: tuple[bytes, ...], length_bytes: int) -> StreamHead:
    sequence = sequence_set(sequence_unit)
    pictures = [picture_set(unit, sequence.format.chroma) for unit in picture_units]
    return StreamHead(sequence_unit, picture_units, sequence, {found.number: found for found in pictures}, length_bytes)


def _units_of_record(record: bytes) -> list[bytes]:
    if len(record) < _SHORTEST:
        raise ValueError("not a configuration record")
    at, units = 5, []
    for mask in (0x1F, 0xFF):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2])
            units.append(record[at + 2 : at + 2 + size].rstrip(b"\x00"))  # some muxers pad; a unit never ends in zero
            at += 2 + size
            if not units[-1] or at > len(record) - (mask == 0x1F):
                raise ValueError("not a configuration record")
    return units


def joint_record(heads: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """A configuration record with the parameter sets of several streams of one profile; lengths take four bytes."""
    sequences = [sequence_set(unit) for unit, _ in heads]
    profile, level = sequences[0].profile, max(found.level for found in sequences)
    if {found.profile for found in sequences} != {profile}:
        raise ValueError("different profiles")
    constraints = 0xFF
    for found in sequences:
        constraints &= found.constraints
    record = bytes([_VERSION, profile, constraints, level, 0xFF, 0xE0 | len(heads)])
    record += b"".join(_sized(unit) for unit, _ in heads)
    pictures = [unit for _, units in heads for unit in units]
    record += bytes([len(pictures)]) + b"".join(_sized(unit) for unit in pictures)
    return record + _extension(sequences[0])


def _extension(sequence: SequenceSet) -> bytes:
    if sequence.profile not in WITH_CHROMA_FORMAT:
        return b""
    luma, chroma = sequence.format.depths
    return bytes([0xFC | sequence.format.chroma, 0xF8 | (luma - 8), 0xF8 | (chroma - 8), 0])


def _sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(2) + unit


def is_only_parameter_sets(record: bytes) -> bool:
    """True when a configuration record holds parameter sets, read to their last bit, and nothing else."""
    try:
        units = _units_of_record(record)
        sequences = {unit: sequence_set(unit) for unit in units if unit_type(unit) == SEQUENCE_PARAMETERS}
        first = next(iter(sequences.values()))
        pictures = [unit for unit in units if unit_type(unit) == PICTURE_PARAMETERS]
        for unit in pictures:
            picture_set(unit, first.format.chroma)
    except (ValueError, IndexError, StopIteration):
        return False
    extension = _extension(first)
    size = 7 + sum(2 + len(unit) for unit in units) + len(extension)
    is_whole = len(record) == size and record.endswith(extension)
    return is_whole and len(units) == len(sequences) + len(pictures)


def drops_earlier_pictures(slice_unit: bytes, head: StreamHead) -> bool:
    """True when an IDR slice tells the decoder to forget pictures it has not shown yet (7.3.3, 7.3.3.3).

    ``ValueError`` when the slice names no known picture parameter set.
    """
    bits, coding = BitReader(slice_unit[1:64]), head.sequence.coding
    bits.golomb(), bits.golomb()
    picture = head.pictures.get(bits.golomb())
    if picture is None:
        raise ValueError("unknown parameter set")
    bits.take(2 * head.sequence.format.separate_planes + coding.frame_number_bits)
    bits.golomb()  # idr_pic_id
    if coding.order.kind == 0:
        bits.take(coding.order.lsb_bits)
        if picture.has_order_delta:
            bits.signed_golomb()
    elif not coding.order.is_implied:
        for _ in range(1 + picture.has_order_delta):
            bits.signed_golomb()
    return bits.flag()


def picture_set_of(slice_unit: bytes) -> int:
    """The number of the picture parameter set that a slice uses; ``ValueError`` when it does not say."""
    bits = BitReader(slice_unit[1:32])
    bits.golomb(), bits.golomb()
    return bits.golomb()
