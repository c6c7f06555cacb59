"""What a cosmetic effect leaves of a region: the tones of a few cells, and nothing of where they were."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from opendrape.domain.mask_rule import Effect
from opendrape_masker.engine.pictures import Array

_GRAY = frozenset({Effect.GRAY_BLUR, Effect.NORMALISED_GRAY_BLUR})
_EVENED = (64, 192)  # luma of 8 bits between which normalised tones lie
_NEUTRAL = 128  # chroma of 8 bits without colour
_LEAST_WEIGHT = 0.02  # of a cell inside the shape: a cell with less has no tone of its own
_ORDER_SEED = 7  # any number: the order must be the same for every region, and is no secret


def cell_grid(width: int, height: int, cells_across: int) -> tuple[int, int]:
    """Rows and columns of cells for a region of so many pixels: ``cells_across`` on the shorter side, square ones."""
    cell = min(width, height) / cells_across
    return max(1, int(height / cell + 1e-6)), max(1, int(width / cell + 1e-6))


def repainted(
    part: Array, inside: Array | None, effect: Effect, *, grid: tuple[int, int], number: int, unit: int
) -> Array:
    """What plane ``number`` of a region looks like afterwards: same shape and type as ``part``.

    Only samples of ``part`` that are ``inside`` (a truth value each; None: all) are looked at. ``unit`` is one level of
    8 bits in the video's depth. The region is reduced to ``grid`` tones, the mean of each cell; the tones are put in
    order and laid out by a rule that is the same for every region. So two regions with the same tones, wherever they
    had them, look the same afterwards: what is left is a list of tones, not a picture.
    """
    if number > 0 and effect in _GRAY:
        return np.full_like(part, _NEUTRAL * unit)
    tones = cell_tones(part, inside, grid)
    if number == 0 and effect is Effect.NORMALISED_GRAY_BLUR:
        tones = _evened(tones, unit)
    laid_out = _laid_out(tones, scattered=effect is Effect.PIXELATE)
    return enlarged(laid_out.round().astype(part.dtype), part.shape, smooth=effect is not Effect.PIXELATE)


def cell_tones(part: Array, inside: Array | None, grid: tuple[int, int]) -> Array:
    """Mean of the inside samples of every cell, float32 ``[rows, columns]``; not a number where there are none."""
    size = (grid[1], grid[0])
    if inside is None:
        return cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weights = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(np.where(inside, part, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    tones: Array = np.full(grid, np.nan, np.float32)
    np.divide(sums, weights, out=tones, where=weights > _LEAST_WEIGHT)
    return tones


def _evened(tones: Array, unit: int) -> Array:
    """Darkest and brightest tone become the same for every region: brightness and contrast are gone."""
    low, high = float(np.nanmin(tones)), float(np.nanmax(tones))
    share = (tones - low) / (high - low) if high > low else np.where(np.isnan(tones), tones, np.float32(0.5))
    return np.asarray((_EVENED[0] + share * (_EVENED[1] - _EVENED[0])) * unit, np.float32)


def _laid_out(tones: Array, *, scattered: bool) -> Array:
    """The tones in rising order at places fixed by the grid alone; the mean where a cell had none."""
    flat = tones.ravel()
    has_tone = ~np.isnan(flat)
    rising = np.sort(flat[has_tone])
    places = _places(*tones.shape, scattered)
    laid_out = np.full(flat.size, rising.mean(), np.float32)
    laid_out[places[has_tone[places]]] = rising
    return laid_out.reshape(tones.shape)


@lru_cache(maxsize=256)
def _places(rows: int, columns: int, scattered: bool) -> Array:
    """In which order cells are filled, darkest first: scattered, or from one corner to the other."""
    if scattered:
        return np.random.default_rng(_ORDER_SEED).permutation(rows * columns)
    down, across = np.mgrid[0:rows, 0:columns]
    return np.argsort((down / rows + across / columns).ravel(), kind="stable")


def enlarged(tones: Array, shape: tuple[int, ...], *, smooth: bool) -> Array:
    """A sample per pixel from a tone per cell: blocks, or soft passages from one tone to the next."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(tones, size, interpolation=cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST))
