"""V-05: intervals that a person confirmed, as written on the command line."""

from __future__ import annotations

import pytest
import typer

from opendrape.cli.scene_options import confirmed_intervals
from opendrape.domain.scene_facts import ConfirmedInterval


def test_intervals_are_read_as_they_are_written() -> None:
    """V-05: inside wins over the detector, outside is blacked."""
    assert confirmed_intervals(["0-25=out", "30-90=in"]) == (
        ConfirmedInterval(start_frame=0, end_frame=25, where="out_of_body"),
        ConfirmedInterval(start_frame=30, end_frame=90, where="in_body"),
    )
    assert confirmed_intervals(None) == ()


@pytest.mark.parametrize("text", ["", "5", "5-9", "9-5=in", "5-5=out", "5-9=inside", "-1-5=in", "5-9=IN"])
def test_anything_else_is_a_usage_error(text: str) -> None:
    """V-05: a mistyped interval must not become none."""
    with pytest.raises(typer.BadParameter):
        confirmed_intervals([text])
