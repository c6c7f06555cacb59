"""What the background looks like: wet, reddish, slowly moving tissue with highlights and sensor noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from opendrape_masker.synthetic.picture import Array, Canvas, yuv

_MARGIN = 96


@dataclass(frozen=True, slots=True)
class Tissue:
    """Precomputed textures, larger than the picture by a margin; a frame is a moving window on them."""

    luma: Array
    blue: Array
    red: Array
    shine: Array
    noise: Array
    width: int
    height: int

    @classmethod
    def grown(cls, width: int, height: int, *, seed: int) -> Tissue:
        """For pictures of ``width`` x ``height`` (even)."""
        random = np.random.default_rng(seed)
        size = (width + 2 * _MARGIN, height + 2 * _MARGIN)
        planes = yuv(_flesh(random, size))
        half = (size[0] // 2, size[1] // 2)
        return cls(
            luma=planes[..., 0].round().astype(np.uint8),
            blue=_small(planes[..., 1], half),
            red=_small(planes[..., 2], half),
            shine=_highlights(random, size),
            noise=np.clip(random.normal(2.0, 1.2, (size[1], size[0])), 0, 5).astype(np.uint8),
            width=width,
            height=height,
        )

    def canvas(self, frame: int, second: float) -> Canvas:
        """A fresh canvas for one frame; the same arguments give the same pixels."""
        x = _MARGIN + 64 * math.sin(second * 0.7) + 10 * math.sin(second * 7.5)
        y = _MARGIN + 52 * math.sin(second * 0.5 + 1.0) + 6 * math.sin(second * 7.5)
        left, top = 2 * round(x / 2), 2 * round(y / 2)
        luma = cv2.add(self._window(self.luma, left, top), self._window(self.shine, _MARGIN * 2 - left, top // 2))
        jump = frame * 37 % _MARGIN
        cv2.add(luma, self._window(self.noise, jump, (jump * 5) % _MARGIN), dst=luma)
        blue = self._window(self.blue, left // 2, top // 2, shrink=2).copy()
        red = self._window(self.red, left // 2, top // 2, shrink=2).copy()
        return Canvas(luma, blue, red)

    def _window(self, texture: Array, left: int, top: int, *, shrink: int = 1) -> Array:
        return texture[top : top + self.height // shrink, left : left + self.width // shrink]


def _clouds(random: np.random.Generator, size: tuple[int, int]) -> Array:
    """Fractal value noise in 0..1, ``[H, W]`` float32: octaves of small random fields, enlarged."""
    width, height = size
    total: Array = np.zeros((height, width), np.float32)
    for octave, cells in enumerate((5, 11, 23, 47, 95)):
        field = random.random((cells, math.ceil(cells * width / height)), dtype=np.float32)
        total = cv2.scaleAdd(cv2.resize(field, size, interpolation=cv2.INTER_CUBIC), 1.7**-octave, total)
    low, high = float(total.min()), float(total.max())
    evened: Array = (total - low) / (high - low)
    return evened


def _flesh(random: np.random.Generator, size: tuple[int, int]) -> Array:
    body, vessels, fat = _clouds(random, size), _clouds(random, size), _clouds(random, size)
    lines = np.exp(-(((vessels - 0.5) / 0.018) ** 2))
    # calm: stronger shade and darker vessels make arrangements that face detectors at full size take for faces
    tone = 0.65 + 0.25 * body
    red, green, blue = 205 * tone, 78 * tone, 70 * tone
    yellow = np.clip((fat - 0.62) * 5, 0, 1)
    red, green, blue = red + 30 * yellow, green + 85 * yellow, blue + 20 * yellow
    rgb = np.stack([red - 25 * lines, green - 12 * lines, blue - 9 * lines], axis=-1)
    flesh: Array = np.clip(rgb, 0, 255).astype(np.uint8)
    return flesh


def _highlights(random: np.random.Generator, size: tuple[int, int]) -> Array:
    gloss = np.clip((_clouds(random, size) - 0.74) * 900, 0, 60)
    blurred: Array = cv2.GaussianBlur(gloss, (0, 0), 2.0).astype(np.uint8)
    return blurred


def _small(plane: Array, size: tuple[int, int]) -> Array:
    small: Array = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return small.round().astype(np.uint8)
