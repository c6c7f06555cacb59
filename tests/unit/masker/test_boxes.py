"""Boxes: how they overlap, grow and hide each other."""

from __future__ import annotations

import pytest

from opendrape_masker.engine.boxes import Box, covered_share, hull, overlap


def test_the_covered_share_counts_the_union_once() -> None:
    """V-15: two masks that overlap do not hide more than their union."""
    box = Box(0, 0, 10, 10)
    assert covered_share(box, [Box(0, 0, 6, 10), Box(4, 0, 8, 10)]) == pytest.approx(0.8)
    assert covered_share(box, [Box(-5, -5, 50, 50)]) == pytest.approx(1.0)
    assert covered_share(box, [Box(20, 20, 30, 30)]) == 0.0


def test_overlap_is_symmetric_and_one_for_equal_boxes() -> None:
    """Intersection over union."""
    a, b = Box(0, 0, 10, 10), Box(5, 0, 15, 10)
    assert overlap(a, b) == overlap(b, a) == pytest.approx(1 / 3)
    assert overlap(a, a) == pytest.approx(1.0)


def test_a_box_outside_the_picture_leaves_nothing() -> None:
    """Clipping."""
    assert Box(-20, -20, -1, -1).clipped(100, 100) is None
    assert Box(-20, 10, 20, 200).clipped(100, 100) == Box(0, 10, 20, 100)
    assert hull(Box(0, 0, 1, 1), Box(5, 5, 6, 6)) == Box(0, 0, 6, 6)


def test_a_box_is_widened_around_its_centre_and_never_narrowed() -> None:
    """V-03."""
    assert Box(10, 10, 20, 40).at_least(20, 10) == Box(5, 10, 25, 40)


def test_a_box_reaches_the_borders_that_are_near() -> None:
    """V-03."""
    assert Box(4, 50, 96, 95).reaching(100, 100, within=5) == Box(0, 50, 100, 95)
    assert Box(-2, 50, 60, 96).reaching(100, 100, within=5) == Box(-2, 50, 60, 100)
