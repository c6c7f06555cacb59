"""V-15: which frames a contact sheet shows, and that every region on it has its outline."""

from __future__ import annotations

import numpy as np
import pytest

from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.regions import PixelRect
from opendrape_masker.preview.contact_sheet import Cell, caption, sheet
from opendrape_masker.preview.preview_child import BUSIEST, SPREAD, choose

RECT = PixelRect(0, 0, 8, 8, "face")


def test_frames_are_spread_from_the_first_to_the_last() -> None:
    """A short video is shown whole, a long one evenly."""
    assert choose(5, {}) == [0, 1, 2, 3, 4]
    assert choose(1, {0: (RECT,)}) == [0]
    chosen = choose(10_000, {})
    assert (len(chosen), chosen[0], chosen[-1]) == (SPREAD, 0, 9_999)


def test_the_busiest_stretches_are_shown_too() -> None:
    """Where most is masked there is most to see; neighbours of one another are one sight."""
    masked = {frame: (RECT,) * (5 if 5000 <= frame < 5100 else 3) for frame in (*range(5000, 5100), *range(8000, 8050))}
    chosen = choose(10_000, masked)
    assert len(chosen) == SPREAD + 2 <= SPREAD + BUSIEST
    assert any(5000 <= frame < 5100 for frame in chosen)
    assert any(8000 <= frame < 8050 for frame in chosen)


def test_each_role_has_its_outline_and_unknown_ones_too() -> None:
    """The sheet leaves no region out."""
    picture = np.zeros((90, 160, 3), np.uint8)
    cells = [Cell(picture, [(role, Box(20, 20, 60, 60))], "") for role in ("face", "text", "newcomer")]
    drawn = sheet("t", cells)
    edges = [drawn[60 + 20, 8 + number * 168 + 40].tolist() for number in range(3)]
    assert len({tuple(edge) for edge in edges}) == 3
    assert all(max(edge) > 150 for edge in edges)
    assert picture.max() == 0, "the given picture is not drawn on"
    with pytest.raises(ValueError):
        sheet("t", [])


def test_captions_say_time_frame_and_counts() -> None:
    """A person finds the place in a player."""
    assert caption(372, 12.4, ["text", "face", "face"]) == "12.40 s, frame 372: face 2, text 1"
    assert caption(0, 0.0, []) == "0.00 s, frame 0: nothing masked"
