"""Are the heads of H.264 streams read to the last bit, joined, and refused when anything is odd (V-11)?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.errors import FidelityBroken
from opendrape.media.avc_configuration import is_only_parameter_sets, joint_record, stream_head
from opendrape.media.bits import BitReader, golomb, payload_of, unsigned
from opendrape.media.inserted_parameters import Needs, record_for
from opendrape.media.parameter_sets import Description, SequenceSet, picture_set, sequence_set

SEQUENCE = bytes.fromhex("6764001eacd940bc35a1000003000100000300300f162d96")
PICTURE = bytes.fromhex("68ebe09cb22c")
OWN = bytes.fromhex("6764001e040b36502f0d6840000003004000000c03c58b6580")
OWN_PICTURE = bytes.fromhex("68040082becb22c0")
RECORDER = bytes.fromhex("27640028ac1316c0780227e5c05a808080f606000bb80002ee0bdef828")
RECORDER_PICTURE = bytes.fromhex("28ee1f2c")
BASELINE = bytes.fromhex("6742801696540601bd3506060640000003004000000661")


def _record(sequence: bytes = SEQUENCE, *pictures: bytes) -> bytes:
    return joint_record([(sequence, pictures or (PICTURE,))])


@given(st.lists(st.integers(0, 100_000), max_size=20), st.binary(max_size=8))
def test_numbers_come_back_through_bits_and_bytes(numbers: list[int], raw: bytes) -> None:
    """V-11: Exp-Golomb codes and bytes that look like start codes."""
    bits = "".join(golomb(number) for number in numbers) + "".join(unsigned(byte, 8) for byte in b"\0\0\0" + raw)
    payload = payload_of(bits)
    assert b"\0\0\0" not in payload
    assert b"\0\0\1" not in payload
    reader = BitReader(payload)
    assert [reader.golomb() for _ in numbers] == numbers
    assert bytes(reader.unsigned(8) for _ in range(3 + len(raw))) == b"\0\0\0" + raw
    assert reader.ends_here()
    assert not reader.has_more()


@given(st.integers(-50_000, 50_000))
def test_signed_numbers_come_back(number: int) -> None:
    """V-11: ``se(v)`` of 9.1.1."""
    code = 2 * number - 1 if number > 0 else -2 * number
    assert BitReader(payload_of(golomb(code))).signed_golomb() == number


def test_bits_that_end_too_early_are_an_error() -> None:
    """V-11: a head cut short is no head."""
    for cut in range(1, len(SEQUENCE)):
        with pytest.raises(ValueError, match=r"early|more|code"):
            sequence_set(SEQUENCE[:cut])


def test_a_sequence_parameter_set_is_read() -> None:
    """V-11: x264, 752x416, High, three B frames in a pyramid, 4:2:0."""
    said = sequence_set(SEQUENCE)
    assert (said.profile, said.level, said.number, said.format.chroma, said.format.depths) == (100, 30, 0, 1, (8, 8))
    assert (said.coding.size_in_macroblocks, said.coding.crop, said.coding.frames_only) == (
        (47, 26),
        (0, 0, 0, 0),
        True,
    )
    assert (said.coding.references, said.reordered, said.buffered) == (4, 2, 4)
    assert picture_set(PICTURE, 1).sequence == 0


def test_a_recorder_that_does_not_say_how_it_reorders() -> None:
    """V-11: the level then says how much a decoder holds (A.3.1): 32768 macroblocks at 120 x 68."""
    said = sequence_set(RECORDER)
    assert said.restriction is None
    assert (said.reordered, said.buffered) == (None, 4)
    assert said.description is not None
    assert (said.description.colours, said.description.full_range) == ((1, 1, 1), False)


@pytest.mark.parametrize("more", [b"\x80", b"Jane Doe", b"\x00\x80"])
def test_bytes_after_a_parameter_set_are_not_carried_along(more: bytes) -> None:
    """V-09: a decoder would ignore them; a reader would not."""
    with pytest.raises(ValueError, match="more"):
        sequence_set(SEQUENCE + more)
    with pytest.raises(ValueError, match="more"):
        picture_set(PICTURE + more, 1)
    assert not is_only_parameter_sets(_record()[:-4] + more + _record()[-4:])


def test_both_forms_of_a_head_are_read_alike() -> None:
    """V-11: MP4 and Matroska on one side, transport streams on the other."""
    started = b"".join(b"\0\0\0\1" + unit for unit in (SEQUENCE, PICTURE))
    one, other = stream_head(_record()), stream_head(started)
    assert (one.length_bytes, other.length_bytes) == (4, 0)
    assert (one.sequence, one.pictures) == (other.sequence, other.pictures)
    assert one.units_of(b"\0\0\0\2ab\0\0\0\1c") == other.units_of(b"\0\0\0\1ab\0\0\1c") == [b"ab", b"c"]


@pytest.mark.parametrize(
    "extradata",
    [
        b"",
        b"\x01",
        _record()[:12],
        joint_record([(SEQUENCE, (PICTURE,)), (OWN, (OWN_PICTURE,))]),
        _record(SEQUENCE, PICTURE, OWN_PICTURE),
        _record(SEQUENCE, PICTURE, PICTURE[:1] + b"\xeb\xe0\x9c\xb2\x34"),
        b"\0\0\1" + SEQUENCE,
    ],
)
def test_anything_but_one_whole_set_is_refused(extradata: bytes) -> None:
    """V-11: two sets, a picture set of another sequence, two of one number, none, a torso."""
    with pytest.raises(ValueError, match=r"not |more|early"):
        stream_head(extradata)


def test_a_joint_head_promises_the_higher_level_and_only_what_both_keep() -> None:
    """V-11, ISO/IEC 14496-15, 5.3.3.1.2."""
    higher = SEQUENCE[:2] + b"\x10\x28" + SEQUENCE[4:]
    record = joint_record([(SEQUENCE, (PICTURE,)), (higher, (PICTURE,))])
    assert record[1:4] == bytes([100, 0, 0x28])
    assert is_only_parameter_sets(record)
    with pytest.raises(ValueError, match="profiles"):
        joint_record([(SEQUENCE, (PICTURE,)), (BASELINE, (PICTURE,))])


def test_ours_shows_and_buffers_like_the_source() -> None:
    """V-10, V-11: description and restriction are the source's, the number is ours."""
    recorder = stream_head(_record(RECORDER, RECORDER_PICTURE))
    own = b"".join(b"\0\0\1" + unit for unit in (OWN, OWN_PICTURE))
    head = stream_head(_record())
    record = record_for(head, own)
    at = 8 + len(SEQUENCE)
    written = sequence_set(record[at + 2 : at + 2 + int.from_bytes(record[at : at + 2])])
    assert (written.description, written.restriction is not None) == (head.sequence.description, True)
    assert (written.number, written.reordered, written.buffered) == (31, 2, 4)
    assert written.coding == sequence_set(OWN).coding
    assert recorder.sequence.description != Description("00000")


@pytest.mark.parametrize(("measured", "expected"), [(0, 0), (1, 1), (2, 2)])
def test_what_the_source_allows_an_encoder(measured: int, expected: int) -> None:
    """V-11: reordering and references not above the source's."""
    needs = Needs.of(stream_head(_record(RECORDER, RECORDER_PICTURE)), measured=measured)
    assert (needs.number, needs.profile, needs.references, needs.reordered) == (31, "high", 2, expected)
    assert Needs.of(stream_head(_record()), measured=0).reordered == 2


def _ours_beside(source: bytes) -> SequenceSet:
    own = b"".join(b"\0\0\1" + unit for unit in (OWN, OWN_PICTURE))
    record = record_for(stream_head(_record(source)), own)
    at = 8 + len(source)
    return sequence_set(record[at + 2 : at + 2 + int.from_bytes(record[at : at + 2])])


def _saying(level: int, restriction: str) -> bytes:
    said = sequence_set(SEQUENCE)
    assert said.description is not None
    bits = unsigned(said.profile, 8) + unsigned(0, 8) + unsigned(level, 8) + golomb(0) + said.format.bits
    return b"\x67" + payload_of(bits + said.coding.bits + "1" + said.description.bits + "000" + restriction)


@pytest.mark.parametrize(("level", "written"), [(10, 30), (30, 30), (51, 51)])
def test_ours_needs_no_more_than_it_says(level: int, written: int) -> None:
    """V-11: the source's level, or more where the encoder needs it."""
    assert _ours_beside(_saying(level, "1" + "1" + golomb(0) * 4 + golomb(2) + golomb(4))).level == written


@pytest.mark.parametrize(("level", "restriction"), [(40, None), (30, None), (22, (6, 6))])
def test_a_player_buffers_ours_like_the_source(level: int, restriction: tuple[int, int] | None) -> None:
    """V-11: nothing said on both sides, or what the source's lower level means said aloud (8100 / (47 * 26))."""
    said = _ours_beside(_saying(level, "0")).restriction
    assert (said and (said.reordered, said.buffered)) == restriction


@pytest.mark.parametrize(
    "source",
    [
        RECORDER,
        SEQUENCE[:1] + b"\x42" + SEQUENCE[2:],
        _saying(30, "1" + "1" + golomb(0) * 4 + golomb(1) + golomb(4)),
    ],
)
def test_an_encoder_that_outgrew_its_source_writes_nothing(source: bytes) -> None:
    """V-11: another size, a lower profile, less reordering than ours."""
    with pytest.raises((FidelityBroken, ValueError)):
        _ours_beside(source)
