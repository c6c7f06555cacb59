"""Which doubtful text is text: only what a reader can read something in, at whatever angle it stands (V-04).

A text detector takes folds and reflexes for a letter now and then, and a smooth picture for one line as large as the
picture. What it is sure of counts without being read, unless it is as large as that; what it doubts counts when two
characters or more can be read upright, turned, or slanted, or in one of several lines. Nothing else is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import cv2
import numpy as np

from opendrape.domain.policy import Role
from opendrape_masker.detectors.blocks import BlockReader, LineReader, is_large
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.reading import Box

_ANGLES: Final = (0, 90, -90, 30, -30, 60, -60)  # degrees; a reader takes lines that are up to 15 off
_READ_AT_MOST: Final = 32  # hits of a picture; usual are none to three, and each takes up to 0.3 s
_OF_SEVERAL_LINES: Final = 2  # characters, however doubtful, that are read at some angle where lines lie on each other
_LINE_SHAPE: Final = 0.5  # of a slanted line's box, the height that the line itself has at most


@dataclass(frozen=True)
class LegibleText:
    """A ``Detector`` for text that drops doubtful hits in which nothing can be read.

    Doubtful are hits under ``sure_score``, and those half as large as the picture or larger.
    """

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
        return [self._counting(picture, hits) for picture, hits in zip(pictures, found, strict=True)]

    def _counting(self, picture: Picture, hits: Sequence[Detection]) -> list[Detection]:
        """What counts, in the order of ``hits``; of very many doubtful ones the surest count unread, to save time."""
        doubtful = sorted((hit.score, place) for place, hit in enumerate(hits) if not self._is_sure(picture, hit))
        dropped = {place for _, place in doubtful[:_READ_AT_MOST] if not self._is_legible(picture, hits[place])}
        return [hit for place, hit in enumerate(hits) if place not in dropped]

    def _is_sure(self, picture: Picture, hit: Detection) -> bool:
        return hit.score >= self.sure_score and not is_large(picture, _box(hit))

    def _is_legible(self, picture: Picture, hit: Detection) -> bool:
        most = 0
        for line in _turned(picture, hit):
            height, width = line.shape[:2]
            [read] = self.reader.read_lines(line, [(0, 0, width, height)])
            if read.says_something:
                return True
            most = max(most, read.characters)
        return (most >= _OF_SEVERAL_LINES or is_large(picture, _box(hit))) and self._is_block(picture, hit)

    def _is_block(self, picture: Picture, hit: Detection) -> bool:
        return BlockReader(self.reader).read_block(picture, _box(hit)) is not None


def _box(hit: Detection) -> Box:
    return hit.x0, hit.y0, hit.x1, hit.y1


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
