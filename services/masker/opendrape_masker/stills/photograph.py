"""How a still picture is looked at and painted by what looks at and paints the pictures of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from opendrape.media.picture import Plane
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array, Still
from opendrape_masker.engine.regions import Painted, inside_of, part_of


@dataclass(frozen=True)
class Photograph:
    """Luma and chroma of one picture, full range, as the painter takes them; grey ones have luma only."""

    arrays: tuple[Array, ...]
    bit_depth: int

    @classmethod
    def of(cls, samples: Array) -> Photograph:
        """From grey or BGR samples. They are not changed by what happens to the photograph."""
        depth = 8 * samples.itemsize
        if samples.ndim == 2:
            return cls((samples.copy(),), depth)
        luma, red, blue = cv2.split(cv2.cvtColor(samples, cv2.COLOR_BGR2YCrCb))
        return cls((luma, blue, red), depth)

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Read-only views."""
        return tuple(_plane(array, array.data.cast("B").toreadonly()) for array in self.arrays)

    def writable_planes(self) -> tuple[Plane, ...]:
        """Writable views."""
        return tuple(_plane(array, array.data.cast("B")) for array in self.arrays)

    def still(self) -> Still:
        """For whoever looks."""
        return Still(self.planes, self.bit_depth)

    def over(self, samples: Array, covered: Array) -> Array:
        """``samples`` with this photograph's colours where ``covered`` is true, and untouched everywhere else."""
        if samples.ndim == 2:
            return np.where(covered, self.arrays[0], samples)
        luma, blue, red = self.arrays
        painted = cv2.cvtColor(cv2.merge((luma, red, blue)), cv2.COLOR_YCrCb2BGR)
        return np.where(covered[..., None], painted, samples)


def covered_by(painted: Sequence[Painted], painter: Painter) -> Array:
    """True for every pixel ``[rows, columns]`` that painting may have changed."""
    width, height = painter.size
    covered = np.zeros((height, width), bool)
    for region in painted:
        part = part_of(covered, region.rect, painter.size)
        inside = inside_of(painter.coat_of(region.rect).shape, part)
        part[... if inside is None else inside] = True
    return covered


def _plane(array: Array, memory: memoryview) -> Plane:
    height, width = array.shape
    return Plane(memory, width, height, width * array.itemsize, array.itemsize)
