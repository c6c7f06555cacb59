"""V-08, V-09: what is taken out of compressed sound before it is copied, and which sound is never copied."""

from __future__ import annotations

import pytest

from opendrape.media.sound_bits import UnfitToCopy, clean_header, clean_packet, holds_letters, without_text

SOUND = bytes([0b001_00000]) + bytes(range(7, 200, 3))  # a channel pair element, then anything


def bits(*fields: tuple[int, int]) -> str:
    return "".join(f"{value:0{width}b}" for value, width in fields)


def packed(text: str) -> bytes:
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def as_bits(payload: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in payload)


def fill(words: bytes) -> str:
    if len(words) < 15:
        return bits((6, 3), (len(words), 4)) + as_bits(words)
    return bits((6, 3), (15, 4), (len(words) - 14, 8)) + as_bits(words)


def data_element(words: bytes, *, aligned: bool) -> str:
    head = bits((4, 3), (0, 4), (aligned, 1), (len(words), 8))
    return head + as_bits(words)


@pytest.mark.parametrize(
    "text",
    [
        fill(b"Lavc62.28"),
        fill(b"a fill element with a long name in it"),
        data_element(b"Jane Doe", aligned=False),
        data_element(b"Jane Doe", aligned=True),
        fill(b"Jane") + fill(b"Doe"),
    ],
)
def test_text_in_front_of_aac_is_cut_out_to_the_bit(text: str) -> None:
    """V-09: fill and data elements go; what follows is what was there, moved up."""
    payload = packed(text + as_bits(SOUND))
    clean = clean_packet("aac", payload)
    assert as_bits(clean).startswith(as_bits(SOUND))
    assert set(as_bits(clean)[8 * len(SOUND) :]) <= {"0"}
    assert len(clean) <= len(SOUND) + 1


def test_a_clean_packet_stays_as_it_is() -> None:
    """V-08: bit for bit."""
    assert clean_packet("aac", SOUND) == SOUND
    assert without_text("aac", SOUND) == SOUND


def test_a_transport_header_is_taken_off_and_its_facts_become_the_configuration() -> None:
    """V-08: MP4 stores AAC without it."""
    size = len(SOUND) + 7
    header = bytes([0xFF, 0xF1, 1 << 6 | 4 << 2, 2 << 6 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 31, 0xFC])
    assert clean_packet("aac", header + SOUND) == SOUND
    assert clean_header("aac", None, header + SOUND) == b"\x12\x10"
    with pytest.raises(UnfitToCopy):
        clean_packet("aac", header + SOUND + b"more")


@pytest.mark.parametrize(
    ("codec", "extradata", "is_plain"),
    [
        ("aac", b"\x12\x10", True),
        ("aac", b"\x12\x10\x56\xe5\x00", True),
        ("aac", b"\x12\x10Jane Doe", False),
        ("aac", b"\x12\x10Jan", False),
        ("aac", b"\x12\x00" + b"\x08Jane Doe", False),  # channels described by elements of their own
        ("aac", b"\x2b\x11\x88\x00", True),
        ("opus", b"OpusHead\x01\x02" + bytes(9), True),
        ("opus", b"OpusHead\x01\x02" + bytes(9) + b"Jane", False),
        ("opus", None, False),
    ],
)
def test_a_configuration_with_room_for_a_comment_is_not_copied(
    codec: str, extradata: bytes | None, is_plain: bool
) -> None:
    """V-09: AAC's program configuration has a comment field, others trailing bytes."""
    if is_plain:
        assert clean_header(codec, extradata, b"") == extradata
        return
    with pytest.raises(UnfitToCopy):
        clean_header(codec, extradata, b"")


@pytest.mark.parametrize("shift", range(8))
def test_letters_are_found_at_every_bit_position(shift: int) -> None:
    """V-09: a name need not lie on whole bytes."""
    hidden = int.from_bytes(bytes(40) + b"Dr. Sample Person 1970" + bytes(40)) << shift
    payload = hidden.to_bytes(104)
    assert holds_letters(payload)
    with pytest.raises(UnfitToCopy):
        clean_packet("ac3", payload)


def test_patterns_are_no_letters() -> None:
    """V-08: stuffing with one byte is no reason to encode anew."""
    assert not holds_letters(b"\x55" * 400)
    assert not holds_letters(bytes(400))


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        ("mp3", bytes(36) + b"Info" + bytes(100)),
        ("mp3", bytes(36) + b"LAME3.10" + bytes(100)),
        ("opus", bytes([0b11, 0b0100_0001, 8]) + b"Jane Doe" + bytes(60)),
        ("aac", packed(bits((5, 3)) + "0" * 80)),
        ("aac", packed(bits((6, 3), (15, 4), (255, 8)))),
        ("aac", b""),
    ],
)
def test_packets_that_may_hold_more_than_sound_are_not_copied(codec: str, payload: bytes) -> None:
    """V-09: encoder names of MP3, padding of Opus, AAC that describes its program or ends early."""
    with pytest.raises(UnfitToCopy):
        clean_packet(codec, payload)
