"""V-08: intervals without sound are given on the command line and refused when they cannot be meant."""

from __future__ import annotations

from fractions import Fraction

import pytest
import typer

from opendrape.cli.muted import muted_intervals
from opendrape.domain.sound import MutedInterval


def test_intervals_in_seconds_and_in_frames() -> None:
    """V-08: exact numbers, open at the end when nothing follows the dash."""
    assert muted_intervals(["12.5s-14s", "3s-", "300 - 420", "7-"]) == (
        MutedInterval(start=Fraction(25, 2), end=Fraction(14)),
        MutedInterval(start=Fraction(3)),
        MutedInterval(unit="frames", start=Fraction(300), end=Fraction(420)),
        MutedInterval(unit="frames", start=Fraction(7)),
    )
    assert muted_intervals(None) == ()


@pytest.mark.parametrize("text", ["", "5", "5s-3s", "5-5", "1.5-3", "5s-9", "a-b", "-1-3", "5s-5s"])
def test_what_cannot_be_meant_is_a_usage_error(text: str) -> None:
    """C-02, V-08: never a silence nobody meant, never one forgotten."""
    with pytest.raises(typer.BadParameter):
        muted_intervals([text])
