"""How likely two sightings at two looks are one thing, and how it moved between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

import numpy as np
import numpy.typing as npt

from opendrape_masker.engine.boxes import Box, centre_shift
from opendrape_masker.engine.sightings import Sighting

_LEAST_OVERLAP = 0.1
_LONGEST_STEP = 1.5  # centre distance per look, in sizes of the thing
_LEAP = 4.5  # the same for a thing that moves and is seen for certain both times, as large: held as if it were two, too
_LEAP_SIZE_RATIO = 1.5
_SIZE_RATIO = 2.2
_SAME_LETTERING = 1.4  # a line's longer to its shorter self
_SCROLLS = 0.5  # heights of a line from look to look

Matrix = npt.NDArray[np.float64]


def affinities(earlier: Sequence[Sighting], later: Sequence[Sighting], steps: int) -> Matrix:
    """How likely two sightings ``steps`` looks apart are one thing, ``[earlier, later]``; 0 = not."""
    ratio, apart, common = _compared(earlier, later)
    nearness = np.maximum(0.0, 1.0 - apart / (_LONGEST_STEP * (1 + 0.5 * (steps - 1))))
    possible = (ratio <= _SIZE_RATIO) & ((common >= _LEAST_OVERLAP) | (nearness > 0.0))
    return np.where(possible, common + nearness + 0.01, 0.0)


def leaps(earlier: Sequence[Sighting], later: Sequence[Sighting], steps: int, sure: float) -> Matrix:
    """The same for what hurries: always less likely than anything near, and only for what is certain by itself."""
    ratio, apart, _ = _compared(earlier, later)
    nearness = np.maximum(0.0, 1.0 - apart / (_LEAP * (1 + 0.5 * (steps - 1))))
    certain = [np.array([sighting.score >= sure for sighting in ones], bool) for ones in (earlier, later)]
    possible = (ratio <= _LEAP_SIZE_RATIO) & certain[0][:, None] & certain[1][None]
    return np.where(possible, 0.01 * nearness, 0.0)


def is_far(earlier: Sighting, later: Sighting) -> bool:
    """So far apart that it may also be two things, of which each stayed where it was."""
    apart = hypot(*centre_shift(earlier.box, later.box))
    return apart > _LONGEST_STEP * (earlier.box.size + later.box.size) / 2


def plainly_moves(one: Box, other: Box) -> bool:
    """Lettering of the same size at another place: it scrolls. Another size: a detector joins lines in another way."""
    sides = [max(a, b) / max(1.0, min(a, b)) for a, b in ((one.width, other.width), (one.height, other.height))]
    return max(sides) <= _SAME_LETTERING and hypot(*centre_shift(one, other)) >= _SCROLLS * other.height


def _compared(earlier: Sequence[Sighting], later: Sequence[Sighting]) -> tuple[Matrix, Matrix, Matrix]:
    """Of every pair: ratio of sizes, distance of centres in sizes, intersection over union; ``[earlier, later]``."""
    a, b = _corners(earlier)[:, None], _corners(later)[None]
    size_a, size_b = _sizes(a), _sizes(b)
    ratio = np.maximum(size_a, size_b) / np.maximum(1.0, np.minimum(size_a, size_b))
    across, down = ((b[..., k] + b[..., k + 2] - a[..., k] - a[..., k + 2]) / 2 for k in (0, 1))
    return ratio, np.hypot(across, down) / np.maximum(1.0, (size_a + size_b) / 2), _common_shares(a, b)


def _corners(sightings: Sequence[Sighting]) -> Matrix:
    return np.array([sighting.box.corners for sighting in sightings], np.float64).reshape(-1, 4)


def _sizes(corners: Matrix) -> Matrix:
    sizes: Matrix = (corners[..., 2] - corners[..., 0] + corners[..., 3] - corners[..., 1]) / 2
    return sizes


def _common_shares(a: Matrix, b: Matrix) -> Matrix:
    """Intersection over union; see :func:`overlap`."""
    width, height = (np.minimum(a[..., k + 2], b[..., k + 2]) - np.maximum(a[..., k], b[..., k]) for k in (0, 1))
    common = np.maximum(0.0, width) * np.maximum(0.0, height)
    areas = [np.prod(np.maximum(0.0, c[..., 2:] - c[..., :2]), axis=-1) for c in (a, b)]
    union = areas[0] + areas[1] - common
    shares: Matrix = np.divide(common, union, out=np.zeros_like(common), where=common > 0)
    return shares
