"""V-09: what an HEVC configuration consists of, and that nothing else can hide in it."""

from __future__ import annotations

import pytest

from opendrape.media.coded_units import H264, HEVC, units_in_hvcc

HEAD = b"\x01" + bytes(21)
VIDEO, SEQUENCE, PICTURE = b"\x40\x01v", b"\x42\x01s", b"\x44\x01p"
PREFIX, SUFFIX = b"\x4e\x01\x05Jane Doe", b"\x50\x01\x05Jane Doe"


def record(*units: bytes) -> bytes:
    arrays = b"".join(b"\xa0\x00\x01" + len(unit).to_bytes(2) + unit for unit in units)
    return HEAD + bytes([len(units)]) + arrays


def test_parameter_sets_come_out_one_by_one() -> None:
    """V-09."""
    assert list(units_in_hvcc(record(VIDEO, SEQUENCE, PICTURE))) == [VIDEO, SEQUENCE, PICTURE]
    assert {HEVC.kind(unit) for unit in (VIDEO, SEQUENCE, PICTURE)} == HEVC.parameters


@pytest.mark.parametrize("unit", [PREFIX, SUFFIX])
def test_supplemental_information_is_told_from_parameters(unit: bytes) -> None:
    """V-09: user data in the configuration."""
    assert HEVC.kind(list(units_in_hvcc(record(VIDEO, unit)))[1]) in HEVC.supplemental


@pytest.mark.parametrize("broken", [record(VIDEO) + b"Jane Doe", record(VIDEO)[:-1], HEAD, HEAD + b"\x02", b""])
def test_bytes_that_are_no_configuration_are_an_error(broken: bytes) -> None:
    """V-09: trailing bytes are not skipped."""
    with pytest.raises(ValueError, match="configuration"):
        list(units_in_hvcc(broken))


def test_kinds_are_disjoint() -> None:
    """V-09: no unit counts as picture and as text."""
    for kinds in (H264, HEVC):
        assert not kinds.pictures & (kinds.supplemental | kinds.parameters)
        assert not kinds.supplemental & kinds.parameters
