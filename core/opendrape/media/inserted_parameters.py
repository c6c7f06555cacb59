"""Which parameter sets encoded groups bring with them when they stand between copied ones (V-11).

Both streams share one head, so ours take numbers that the source does not use; and everything that tells a player how
to show and to buffer the video is the source's, bit for bit, so that nothing changes where the sets change.
"""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.errors import FidelityBroken
from opendrape.media.avc_configuration import StreamHead, joint_record, stream_head
from opendrape.media.bits import golomb, payload_of, unsigned
from opendrape.media.parameter_sets import (
    BASELINE,
    HIGH,
    MAIN,
    WITH_CHROMA_FORMAT,
    Restriction,
    SequenceSet,
    sequence_set,
)

_LARGEST_NUMBER = 31
_PROFILE_NAMES = {BASELINE: "baseline", MAIN: "main", HIGH: "high"}
_NO_BIDIRECTIONAL = 0x04  # constraint_set5_flag of the High profile (A.2.4.2)
_SIMPLE_FORMAT = golomb(1) + golomb(0) + golomb(0) + "00"  # 4:2:0, 8 bit, no bypass, flat scaling
_UNIT_HEADER = b"\x67"
_NO_DESCRIPTION = "00000"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a source allows an encoder: never more references, reordering or features than the source itself has."""

    number: int
    profile: str
    references: int
    reordered: int
    only_key_frames: bool

    @classmethod
    def of(cls, head: StreamHead, *, measured: int) -> Needs:
        """What groups beside those of ``head`` keep to; ``measured``: how far it reorders where it does not say."""
        sequence = head.sequence
        depth = measured if sequence.reordered is None else sequence.reordered
        taken = {sequence.number, *head.pictures}
        forbids = sequence.profile == HIGH and bool(sequence.constraints & _NO_BIDIRECTIONAL)
        return cls(
            number=max(set(range(_LARGEST_NUMBER + 1)) - taken),
            profile=_PROFILE_NAMES[sequence.profile],
            references=max(1, sequence.coding.references),
            reordered=0 if forbids or sequence.coding.references < 2 else depth,
            only_key_frames=sequence.coding.references == 0,
        )


def record_for(source: StreamHead, encoder_extradata: bytes) -> bytes:
    """The configuration record of the joint stream; :class:`FidelityBroken` when the encoder outgrew the source."""
    try:
        own = stream_head(encoder_extradata)
        unit = _shown_like(own.sequence, source.sequence)
        written = sequence_set(unit)
    except ValueError:
        raise FidelityBroken(reason="chunks_do_not_fit") from None
    if not _fits(own, source) or not _holds(written, own.sequence):
        raise FidelityBroken(reason="chunks_do_not_fit")
    return joint_record([(source.sequence_unit, source.picture_units), (unit, own.picture_units)])


def _fits(own: StreamHead, source: StreamHead) -> bool:
    theirs, ours = source.sequence, own.sequence
    return (
        ours.number != theirs.number
        and ours.profile <= theirs.profile  # 66, 77, 100: each can do what those before it can
        and not own.pictures.keys() & source.pictures.keys()
        and ours.coding.size_in_macroblocks == theirs.coding.size_in_macroblocks
        and ours.coding.crop == theirs.coding.crop
        and ours.coding.frames_only
        and ours.coding.references <= max(1, theirs.coding.references)
        and (ours.reordered or 0) <= _most_reordered(theirs)
    )


def _most_reordered(sequence: SequenceSet) -> int:
    """What a decoder has to expect: where nothing is said, as much as it can hold (E.2.1)."""
    return sequence.buffered if sequence.reordered is None else sequence.reordered


def _holds(written: SequenceSet, encoded: SequenceSet) -> bool:
    """Does what is written still decode what was encoded?"""
    same_bits = (written.coding, written.number) == (encoded.coding, encoded.number)
    return same_bits and written.buffered >= encoded.coding.references


def _shown_like(ours: SequenceSet, source: SequenceSet) -> bytes:
    """Our sequence parameter set with the source's profile, description and buffering."""
    is_own_profile = ours.profile == source.profile
    level = max(ours.level, source.level)
    bits = unsigned(source.profile, 8) + unsigned(ours.constraints if is_own_profile else 0, 8) + unsigned(level, 8)
    bits += golomb(ours.number)
    if source.profile in WITH_CHROMA_FORMAT:
        bits += ours.format.bits or _SIMPLE_FORMAT
    bits += ours.coding.bits
    restriction = _restriction(ours, source, level)
    if source.description is None and restriction is None:
        bits += "0"
    else:
        bits += (
            "1"
            + (source.description.bits if source.description else _NO_DESCRIPTION)
            + "000"
            + _restriction_bits(restriction)
        )
    return _UNIT_HEADER + payload_of(bits)


def _restriction(ours: SequenceSet, source: SequenceSet, level: int) -> Restriction | None:
    """The source's buffering: a decoder may drop pictures where it changes (C.4.4)."""
    if source.restriction is None and level == source.level:
        return None
    motion = ours.restriction.motion if ours.restriction else "1" + golomb(2) + golomb(1) + golomb(16) * 2
    return Restriction(motion, _most_reordered(source), source.buffered)


def _restriction_bits(restriction: Restriction | None) -> str:
    if restriction is None:
        return "0"
    return "1" + restriction.motion + golomb(restriction.reordered) + golomb(restriction.buffered)
