"""Which few samples of a cosmetic region are remembered, and what they prove about the written picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opendrape.domain.mask_rule import Shape
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.regions import inside_of

_ACROSS = 12  # samples across a region's luma, at most
_PLAINLY = 8.0  # levels of 8 bit, on average, that tell two pictures of a region apart after lossy coding
_TOLERANCE = 24.0  # levels of 8 bit that an encoder may bend a sample
_WITHIN = 0.9  # share of the samples that must keep to it


def traces(parts: Sequence[Array], shape: Shape) -> Array:
    """Samples of all planes' parts of a region, flat: luma first, at most 12 x 12 of it, then chroma, half as dense."""
    chosen = []
    for number, part in enumerate(parts):
        across = _ACROSS if number == 0 else _ACROSS // 2
        few = _spread(part.shape[0], across), _spread(part.shape[1], across)
        inside = inside_of(shape, part)
        chosen.append(part[few].ravel() if inside is None else part[few][inside[few]])
    return np.concatenate(chosen)


def is_plainly_changed(source: Array, shown: Array, unit: int) -> bool:
    """True when the two differ so much that no encoder can bring them together. ``unit``: one level of 8 bits."""
    return distance(source, shown) >= _PLAINLY * unit


def is_what_was_painted(written: Array, painted: Array, unit: int) -> bool:
    """True when the written samples are those that were painted, but for what lossy coding does."""
    if written.size != painted.size or not painted.size:
        return False
    near = np.abs(written.astype(np.int32) - painted.astype(np.int32)) <= _TOLERANCE * unit
    return float(near.mean()) >= _WITHIN


def shows_the_source(written: Array, painted: Array, source: Array, unit: int) -> bool:
    """True unless the written samples are nearer to what was painted than to what was there, and plainly not that."""
    to_source = distance(written, source)
    return to_source < _PLAINLY * unit / 2 or to_source <= distance(written, painted)


def distance(one: Array, other: Array) -> float:
    """Mean absolute difference, in levels."""
    if one.size != other.size or not one.size:
        return 0.0
    return float(np.mean(np.abs(one.astype(np.int32) - other.astype(np.int32))))


def _spread(length: int, wanted: int) -> slice:
    """Up to ``wanted`` places in ``0 <= place < length``, evenly spread."""
    step = -(-length // wanted)
    return slice(step // 2 if length > step // 2 else 0, None, step)
