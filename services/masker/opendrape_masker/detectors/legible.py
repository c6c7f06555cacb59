"""Which doubtful text is text: only what a reader can read something in, at whatever angle it stands (V-04).

A text detector takes folds and reflexes for a letter now and then. What it is sure of counts without being read; what
it doubts counts when two characters or more can be read upright, turned, or slanted. Nothing else is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Protocol

import cv2
import numpy as np

from opendrape.domain.policy import Role
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.reading import Box, ReadLine

_ANGLES: Final = (0, 90, -90, 30, -30, 60, -60)  # degrees; a reader takes lines that are up to 15 off
_READ: Final = (
    0.65  # of three characters and more, their mean probability: 0.75 and more on faint, blurred, slanted lines
)
_CLEARLY_READ: Final = 0.9  # of two; folds and reflexes give one character, or two with less
_LINE_SHAPE: Final = 0.5  # of a slanted line's box, the height that the line itself has at most


class LineReader(Protocol):
    """Reads upright lines; see ``TextReader``."""

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        """What the boxes say, and how sure that is."""


@dataclass(frozen=True)
class LegibleText:
    """A ``Detector`` for text that drops hits under ``sure_score`` in which nothing can be read."""

    inner: Detector
    reader: LineReader
    sure_score: float

    @property
    def role(self) -> Role:
        """What it finds."""
        return self.inner.role

    @property
    def model(self) -> ModelFacts:
        """Which weights find the text."""
        return self.inner.model

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        found = self.inner.detect(pictures, frames)
        return [
            [hit for hit in hits if hit.score >= self.sure_score or self._is_legible(picture, hit)]
            for picture, hits in zip(pictures, found, strict=True)
        ]

    def _is_legible(self, picture: Picture, hit: Detection) -> bool:
        for line in _turned(picture, hit):
            height, width = line.shape[:2]
            if any(_says_something(read) for read in self.reader.read_lines(line, [(0, 0, width, height)])):
                return True
        return False


def _says_something(line: ReadLine) -> bool:
    characters = sum(character.isalnum() for character in line.text)
    return characters > 1 and line.confidence >= (_READ if characters > 2 else _CLEARLY_READ)


def _turned(picture: Picture, hit: Detection) -> Iterator[Picture]:
    """The hit's part of the picture, turned by every angle."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(0, int(hit.x0)), max(0, int(hit.y0)), min(width, ceil(hit.x1)), min(height, ceil(hit.y1))
    part = picture[y0:y1, x0:x1]
    if not part.size:
        return
    for angle in _ANGLES:
        if angle % 90:
            yield _slanted(part, angle)
        else:
            yield np.ascontiguousarray(np.rot90(part, angle // 90))


def _slanted(part: Picture, angle: int) -> Picture:
    """A band along a line that climbs by ``angle`` through the middle of the part, laid level."""
    height, width = part.shape[:2]
    long_side = ceil(float(np.hypot(width, height)))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
    band = max(8, round(min(height, width) * _LINE_SHAPE))
    turn[:, 2] += (long_side / 2 - width / 2, band / 2 - height / 2)
    return np.asarray(cv2.warpAffine(part, turn, (long_side, band), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)
