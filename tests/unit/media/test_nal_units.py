"""Are NAL units the same units in both ways of storing them?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.media.nal_units import annex_b_units, length_prefixed_units, unit_type

_UNITS = st.lists(
    # a unit never contains a start code and never ends with zero: emulation prevention and the stop bit see to it
    st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\0", b"\1") + b"\x80"),
    min_size=1,
    max_size=6,
)


@given(_UNITS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_start_codes_and_lengths_tell_the_same(units: list[bytes], long_codes: list[bool]) -> None:
    """V-10: packet digests compare what the pictures consist of, not how it is framed."""
    codes = [b"\0\0\0\1" if is_long else b"\0\0\1" for is_long in long_codes]
    framed = b"".join(code + unit for code, unit in zip(codes, units, strict=False))
    prefixed = b"".join(len(unit).to_bytes(4) + unit for unit in units)
    assert list(annex_b_units(framed)) == units == list(length_prefixed_units(prefixed))


@pytest.mark.parametrize("payload", [b"\0\0\0\5ab", b"\0\0\0\0", b"\0\0"])
def test_lengths_that_do_not_add_up_are_an_error(payload: bytes) -> None:
    """V-09: bytes outside units would be bytes nobody looked at."""
    with pytest.raises(ValueError, match="add up"):
        list(length_prefixed_units(payload))


def test_the_type_is_in_the_low_bits() -> None:
    """V-09: SEI is six whatever its importance."""
    assert {unit_type(b"\x06"), unit_type(b"\x66")} == {6}
