"""V-07, V-16: what a few samples of a region prove, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from opendrape.domain.mask_rule import Shape
from opendrape_masker.engine.traces import distance, is_plainly_changed, is_what_was_painted, shows_the_source, traces

SOURCE = np.array([40, 200] * 60, np.uint8)
PAINTED = np.full(120, 120, np.uint8)


def test_eight_levels_are_a_plain_change_and_less_is_not() -> None:
    """V-16: at both depths."""
    for unit, kind in ((1, np.uint8), (4, np.uint16)):
        before = np.full(100, 100 * unit, kind)
        assert is_plainly_changed(before, before + kind(8 * unit), unit)
        assert not is_plainly_changed(before, before + kind(8 * unit - 1), unit)
        assert not is_plainly_changed(before[:0], before[:0], unit)


def test_the_source_is_recognised_whether_the_painted_region_is_like_it_or_not() -> None:
    """V-16: nearer to the source, as near, or so near that it does not matter what was painted."""
    assert shows_the_source(SOURCE, PAINTED, SOURCE, 1)
    assert not shows_the_source(PAINTED, PAINTED, SOURCE, 1)
    halfway = ((SOURCE.astype(int) + PAINTED) // 2).astype(np.uint8)
    assert shows_the_source(halfway, PAINTED, SOURCE, 1)
    almost = SOURCE + np.uint8(3)
    assert shows_the_source(almost, almost, SOURCE, 1), "what was painted is no excuse for showing the source"
    assert not shows_the_source(SOURCE + np.uint8(5), SOURCE + np.uint8(6), SOURCE, 1)


def test_lossy_coding_is_forgiven_and_another_picture_is_not() -> None:
    """V-07: nine in ten samples within 24 levels of 8 bit, at the depth of the video."""
    for unit in (1, 4):
        painted = (PAINTED * np.uint16(unit)).astype(np.uint16)
        off = painted.copy()
        off[:12] += 60 * unit
        assert is_what_was_painted(off, painted, unit)
        off[:13] += 60 * unit
        assert not is_what_was_painted(off, painted, unit)
        assert is_what_was_painted(painted + np.uint16(24 * unit), painted, unit)
        assert not is_what_was_painted(painted + np.uint16(24 * unit + 1), painted, unit)
        assert not is_what_was_painted(painted[:-1], painted, unit)
        assert not is_what_was_painted(painted[:0], painted[:0], unit)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (12, 12), (13, 40), (33, 50), (1000, 2000)])
def test_samples_are_few_and_spread_over_the_whole_region(size: tuple[int, int]) -> None:
    """V-07: every third of a region is sampled; nothing outside an ellipse is."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    assert 1 <= traces([rows], Shape.BOX).size <= 144
    for numbers, length in ((rows, size[0]), (columns, size[1])):
        seen = np.unique(traces([numbers], Shape.BOX))
        assert len(seen) >= min(length, 6)
        assert seen[0] <= length / 6
        assert seen[-1] >= length * 5 / 6 - 1
    y, x = (np.arange(length) + 0.5 for length in size)
    inside = ((y / size[0] * 2 - 1) ** 2)[:, None] + ((x / size[1] * 2 - 1) ** 2)[None, :] <= 1
    assert (traces([inside], Shape.ELLIPSE)).all()


def test_chroma_is_sampled_half_as_densely_after_luma() -> None:
    """V-16: a colour picture that shows through is seen in the samples too."""
    luma, chroma = np.zeros((60, 60), np.uint8), np.full((30, 30), 9, np.uint8)
    kept = traces([luma, chroma, chroma], Shape.BOX)
    assert ((kept == 0).sum(), (kept == 9).sum()) == (144, 72)
    assert distance(kept, kept + np.uint8(1)) == 1.0
