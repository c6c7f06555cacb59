"""How a masked picture becomes a file of the family that it came in, with nothing but the picture in it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import cv2
import numpy as np

from opendrape.errors import FidelityBroken
from opendrape.media.kinds import Kind
from opendrape.media.stills import jpeg, png, tiff, webp
from opendrape.media.stills.colour_profile import clean_profile
from opendrape.media.stills.facts import StillFacts
from opendrape_masker.engine.pictures import Array

QUALITIES: Final = (95, 98, 100)
"""Of lossy families, tried in this order until the pixels outside the masks are near enough."""
_LOSSLESS_WEBP: Final = 101
_SAMPLINGS: Final = MappingProxyType(
    {
        "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
        "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
        "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    }
)


def encoded(samples: Array, source: StillFacts, *, quality: int) -> bytes:
    """A file of the source's family with upright ``samples`` and the source's meaning of colours; no words at all.

    ``quality`` counts where the source was coded with loss.
    """
    profile = clean_profile(source.profile, channels=source.channels) if source.profile is not None else None
    if source.kind is Kind.TIFF:
        return _tiff(samples, profile)
    if source.kind is Kind.PNG:
        return png.with_colour(_coded(".png", samples, []), source.colour, profile)
    if source.kind is Kind.WEBP:
        wanted = _LOSSLESS_WEBP if source.lossless else quality
        file = _coded(".webp", samples, [cv2.IMWRITE_WEBP_QUALITY, wanted])
        return file if profile is None else webp.with_profile(file, profile)
    file = _coded(".jpg", samples, _jpeg_options(source, quality))
    return file if profile is None else jpeg.with_profile(file, profile)


def _jpeg_options(source: StillFacts, quality: int) -> list[int]:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    if source.sampling:
        # turned upright, what was halved across is halved down
        sampling = {"422": "440", "440": "422"}.get(source.sampling, source.sampling)
        chosen = sampling if source.is_turned else source.sampling
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLINGS["444" if chosen == "411" else chosen]]
    return options


def _coded(ending: str, samples: Array, options: list[int]) -> bytes:
    done, file = cv2.imencode(ending, samples, options)
    if not done:
        raise FidelityBroken("the picture cannot be written", reason="fidelity_pixels")
    return file.tobytes()


def _tiff(samples: Array, profile: bytes | None) -> bytes:
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    rows = np.ascontiguousarray(samples if channels == 1 else samples[..., ::-1])
    little = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    height, width = samples.shape[:2]
    return tiff.written_tiff(
        little.tobytes(),
        width=width,
        height=height,
        channels=channels,
        bit_depth=8 * samples.itemsize,
        profile=profile,
    )
