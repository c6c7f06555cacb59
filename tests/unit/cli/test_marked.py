"""V-01: regions that somebody marks are given on the command line and refused when they cannot be meant."""

from __future__ import annotations

import pytest
import typer

from opendrape.cli.marked import marked_regions
from opendrape.domain.regions import MarkedRegion


def test_regions_with_and_without_frames() -> None:
    """V-01: minimal masks only what is marked."""
    assert marked_regions(["10,20,30,40", "1, 2, 3, 4@5-9", "0,0,8,8@7-"]) == (
        MarkedRegion(x=10, y=20, width=30, height=40),
        MarkedRegion(x=1, y=2, width=3, height=4, start_frame=5, end_frame=9),
        MarkedRegion(x=0, y=0, width=8, height=8, start_frame=7),
    )
    assert marked_regions(None) == ()


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4@9-5", "1,2,3,4@5-5", "-1,2,3,4", "1,2,0,4", "a,b,c,d"])
def test_what_cannot_be_meant_is_a_usage_error(text: str) -> None:
    """C-02: never a region nobody meant."""
    with pytest.raises(typer.BadParameter):
        marked_regions([text])
