"""Whether the written file is what was meant: its bytes, its masks, the pixels beside them (V-10, V-14, V-15, V-16)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from opendrape.errors import FidelityBroken, ScrubIncomplete
from opendrape.media.limits import MediaLimits
from opendrape.media.stills.facts import StillFacts
from opendrape.media.stills.reading import facts_of, survivors
from opendrape_masker.engine.mask_proof import prove_masks
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.regions import Painted
from opendrape_masker.stills.decoding import decoded
from opendrape_masker.stills.photograph import Photograph

NEAR_ENOUGH_DB: Final = 40.0
LEAST_DB: Final = 34.0
"""The stated bound for lossy families: below it, over all pixels away from masks, nothing is delivered."""
RIM: Final = 16
"""Pixels around a mask that a lossy coder smears: the blocks that a mask's border lies in."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the written file shall show. ``covered``: true where a mask is."""

    samples: Array
    covered: Array
    painted: Sequence[Painted]


def written_picture(file: bytes, source: StillFacts, meant: Meant, limits: MediaLimits) -> Array:
    """The picture in the written file, read back. ``ScrubIncomplete`` when anything else is in it."""
    facts = facts_of(file, limits)
    if left := survivors(file, facts):
        raise ScrubIncomplete(", ".join(left))
    if (facts.kind, facts.channels, facts.bit_depth) != (source.kind, source.channels, source.bit_depth):
        raise FidelityBroken("the written file is of another kind", reason="pixel_format_differs")
    written = decoded(facts)
    if written.shape != meant.samples.shape:
        raise FidelityBroken("geometry differs", reason="fidelity_geometry")
    return written


def prove_written(written: Array, source: StillFacts, meant: Meant, painter: Painter) -> float | None:
    """PSNR in dB away from masks, None when every pixel is as it was. Raises ``FidelityBroken`` on any difference."""
    prove_masks(Photograph.of(written), meant.painted, painter)
    if source.lossless:
        if not np.array_equal(written, meant.samples):
            raise FidelityBroken("a lossless file shows something else", reason="fidelity_pixels")
        return None
    level = nearness(written, meant)
    if level < LEAST_DB:
        raise FidelityBroken("pixels outside masks were damaged", reason="fidelity_pixels")
    return None if math.isinf(level) else round(level, 2)


def nearness(written: Array, meant: Meant) -> float:
    """Peak signal-to-noise ratio in dB over the pixels away from masks; infinite when they are equal or none."""
    away = ~cv2.dilate(meant.covered.astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)).astype(bool)
    difference = written[away].astype(np.float32) - meant.samples[away].astype(np.float32)
    error = float(np.mean(difference**2)) if difference.size else 0.0
    peak = float(np.iinfo(written.dtype).max)
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)
