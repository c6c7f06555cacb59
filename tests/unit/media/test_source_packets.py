"""Why may a packet not be copied, and what of it is (V-09, V-11)?"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction

import pytest
from av.packet import Packet

from opendrape.domain.timeline import Timeline
from opendrape.media.avc_configuration import joint_record, stream_head
from opendrape.media.bits import golomb, payload_of, unsigned
from opendrape.media.nal_units import prefixed_units, with_lengths
from opendrape.media.source_packets import SourcePacket, source_packet

SEQUENCE = bytes.fromhex("6764001eacd940bc35a1000003000100000300300f162d96")
PICTURE = bytes.fromhex("68ebe09cb22c")
OTHER_PICTURE = bytes.fromhex("68ebe09cb234")
HEAD = stream_head(joint_record([(SEQUENCE, (PICTURE,))]))
TIMELINE = Timeline(Fraction(1, 25), array("q", [0, 1, 2]), (0,), 3)
NAME = b"Jane Doe"


def slice_unit(*, kind: int, first: int = 0, parameters: int = 0, drops: bool = False) -> bytes:
    """The head of a slice and some bytes, as 7.3.3 lays it out for the parameter sets above."""
    bits = golomb(first) + golomb(7) + golomb(parameters) + unsigned(0, HEAD.sequence.coding.frame_number_bits)
    if kind == 5:
        bits += golomb(0)
    bits += unsigned(0, HEAD.sequence.coding.order.lsb_bits)
    return bytes([0x60 | kind]) + payload_of(bits + unsigned(drops, 1) + "0101" * 40)


def message(kind: int, payload: bytes) -> bytes:
    """An SEI unit with one message."""
    return b"\x06" + bytes([kind, len(payload)]) + payload + b"\x80"


IDR, OTHER = slice_unit(kind=5), slice_unit(kind=1)


@dataclass
class Marked:
    """A packet as a demuxer hands it out, with marks that PyAV cannot set."""

    payload: bytes
    is_corrupt: bool = False
    is_discard: bool = False
    says: str = ""
    pts: int = 1
    is_keyframe: bool = True

    def __bytes__(self) -> bytes:
        return self.payload

    def has_sidedata(self, kind: str) -> bool:
        return kind == self.says


def looked_at(*units: bytes, tick: int | None = 1, is_key: bool = True) -> SourcePacket:
    """What is found in a packet of these units."""
    packet = Packet(with_lengths(units))
    packet.pts, packet.is_keyframe = tick, is_key
    return source_packet(packet, HEAD, TIMELINE)  # type: ignore[arg-type]


def test_a_plain_packet_may_be_copied() -> None:
    """V-11: a key picture, another one, and one in two slices."""
    assert looked_at(IDR) == SourcePacket(1, True, (IDR,), None)
    assert looked_at(OTHER, tick=2) == SourcePacket(2, False, (OTHER,), None)
    halves = (IDR, slice_unit(kind=5, first=40))
    assert looked_at(*halves) == SourcePacket(1, True, halves, None)


def test_a_key_picture_that_cannot_be_sought_starts_no_group() -> None:
    """V-11: it is copied with the group before it."""
    assert looked_at(IDR, is_key=False) == SourcePacket(1, False, (IDR,), None)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_of_any_size_are_read(size: int) -> None:
    """V-11: ISO/IEC 14496-15 allows one, two and four bytes; what is written has four."""
    payload = b"".join(len(unit).to_bytes(size) + unit for unit in (IDR, OTHER))
    assert list(prefixed_units(payload, size)) == [IDR, OTHER]
    assert list(prefixed_units(with_lengths([IDR, OTHER]), 4)) == [IDR, OTHER]


@pytest.mark.parametrize("kind", [0, 6, 9, 10, 11, 12, 24, 31])
def test_what_is_no_picture_is_left_out(kind: int) -> None:
    """V-09: messages, delimiters, filler, ends, and types that the standard leaves to anyone."""
    unit = message(5, NAME) if kind == 6 else bytes([kind]) + NAME
    assert looked_at(unit, IDR, unit) == SourcePacket(1, True, (IDR,), None)


def test_the_same_parameter_sets_in_a_packet_are_left_out() -> None:
    """V-11: they stand in the head."""
    assert looked_at(SEQUENCE, PICTURE + b"\0", IDR) == SourcePacket(1, True, (IDR,), None)


FLAWS: dict[str, tuple[tuple[bytes, ...], str]] = {
    "another picture set": ((OTHER_PICTURE, IDR), "smart_render_changing_parameters"),
    "another sequence set": ((SEQUENCE[:-1] + b"\x97", IDR), "smart_render_changing_parameters"),
    "an enhancement layer": ((IDR, b"\x74" + NAME), "smart_render_layers"),
    "a data partition": ((b"\x62" + NAME,), "smart_render_layers"),
    "an auxiliary picture": ((IDR, b"\x73" + NAME), "smart_render_layers"),
    "two pictures": ((IDR, IDR), "smart_render_layers"),
    "both kinds of slices": ((IDR, slice_unit(kind=1, first=40)), "smart_render_layers"),
    "no picture": ((message(5, NAME),), "smart_render_layers"),
    "the rest of a picture": ((slice_unit(kind=1, first=40),), "smart_render_layers"),
    "unknown parameters": ((slice_unit(kind=1, parameters=3),), "smart_render_damaged"),
    "unknown parameters of a start": ((slice_unit(kind=5, parameters=3),), "smart_render_damaged"),
    "a slice of one byte": ((b"\x65",), "smart_render_layers"),
    "a slice that ends in its head": ((b"\x65\x88",), "smart_render_damaged"),
    "forgetting": ((slice_unit(kind=5, drops=True),), "smart_render_prior_pictures"),
    "film grain": ((message(19, NAME), IDR), "smart_render_film_grain"),
    "film grain after something else": (
        (b"\x06\x05\x02ab" + message(19, NAME)[1:], IDR),
        "smart_render_film_grain",
    ),
    "film grain after something long": (
        (b"\x06\x05\xff\x05" + b"a" * 260 + message(19, NAME)[1:], IDR),
        "smart_render_film_grain",
    ),
}


@pytest.mark.parametrize("what", FLAWS)
def test_what_cannot_be_copied_has_a_reason(what: str) -> None:
    """V-11: anything but one plain picture of the one set of parameters."""
    units, reason = FLAWS[what]
    assert looked_at(*units).flaw == reason


@pytest.mark.parametrize("tick", [None, 7])
def test_a_picture_the_timeline_does_not_know_is_not_copied(tick: int | None) -> None:
    """V-10, V-11: cut away by an edit list, or without a time."""
    assert looked_at(IDR, tick=tick).flaw == "smart_render_hidden_pictures"


@pytest.mark.parametrize("payload", [b"\0\0\0\xff" + IDR, b"\0\0", with_lengths([IDR]) + b"\0", b"\0\0\0\0" + IDR])
def test_lengths_that_do_not_add_up_are_damage(payload: bytes) -> None:
    """V-11: never guessed."""
    packet = Packet(payload)
    packet.pts = 1
    assert source_packet(packet, HEAD, TIMELINE).flaw == "smart_render_damaged"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mark", "reason"), [("is_corrupt", "smart_render_damaged"), ("is_discard", "smart_render_hidden_pictures")]
)
def test_marks_of_the_container_count(mark: str, reason: str) -> None:
    """V-11: a packet that the demuxer calls damaged, or not to be shown."""
    packet = Marked(with_lengths([IDR]), is_corrupt=mark == "is_corrupt", is_discard=mark == "is_discard")
    assert source_packet(packet, HEAD, TIMELINE).flaw == reason  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["new_extradata", "param_change"])
def test_a_container_that_changes_the_head_ends_the_copying(kind: str) -> None:
    """V-11: a movie with several descriptions of its samples."""
    packet = Marked(with_lengths([IDR]), says=kind)
    assert source_packet(packet, HEAD, TIMELINE).flaw == "smart_render_changing_parameters"  # type: ignore[arg-type]
