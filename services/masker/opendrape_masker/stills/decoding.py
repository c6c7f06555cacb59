"""How the pixels of a still picture come out of its file: all of them as they are, upright, or not at all."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import cv2
import numpy as np

from opendrape.media.stills.facts import StillFacts, must
from opendrape_masker.engine.pictures import Array, Orientation

_TURNS: Final = MappingProxyType(
    {
        1: Orientation(),
        2: Orientation(mirror_x=True),
        3: Orientation(mirror_x=True, mirror_y=True),
        4: Orientation(mirror_y=True),
        5: Orientation(transpose=True),
        6: Orientation(transpose=True, mirror_x=True),
        7: Orientation(transpose=True, mirror_x=True, mirror_y=True),
        8: Orientation(transpose=True, mirror_y=True),
    }
)
"""What each value of EXIF's orientation asks for."""


def decoded(facts: StillFacts) -> Array:
    """Upright samples, uint8 or uint16: ``[rows, columns]`` of a grey picture, else ``[rows, columns, 3]`` BGR.

    ``MediaRefused`` when the decoder sees another picture than the facts, and for one that is transparent anywhere.
    """
    try:
        samples = cv2.imdecode(np.frombuffer(facts.essential, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # its words may quote the file
        samples = None
    must(samples is not None and samples.size, "corrupt")
    assert samples is not None
    must(samples.shape[:2] == (facts.height, facts.width), "corrupt")
    must(samples.dtype == (np.uint8 if facts.bit_depth == 8 else np.uint16), "image_sample_format")
    colours = _opaque(samples) if samples.ndim == 3 else samples
    return np.ascontiguousarray(_TURNS[facts.orientation].upright(_as_declared(colours, facts.channels)))


def _opaque(samples: Array) -> Array:
    """Without an alpha channel that hides nothing."""
    if samples.shape[2] != 4:
        return samples
    must((samples[..., 3] == np.iinfo(samples.dtype).max).all(), "image_transparency")
    return samples[..., :3]


def _as_declared(samples: Array, channels: int) -> Array:
    found = 1 if samples.ndim == 2 else samples.shape[2]
    if found == channels:
        return samples
    # the decoder spreads grey with an alpha channel over three
    must(channels == 1 and found == 3, "image_colour_model")
    grey: Array = samples[..., 0]
    must(all(np.array_equal(grey, samples[..., n]) for n in (1, 2)), "image_colour_model")
    return np.ascontiguousarray(grey)
