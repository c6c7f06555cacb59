"""How pictures of any size go through one model: padded, batched, decoded, clipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import THINGS_OF, Boxes, Detection, ModelFacts, Picture
from opendrape_masker.inference.port import InferenceSession, Pictures, Tensors

Decode = Callable[[Tensors, tuple[int, int], float], list[Boxes]]


@dataclass(frozen=True)
class ModelDetector:
    """A ``Detector`` on one model. ``floor_score`` is the lowest score it reports, ``things`` what its rows number."""

    model: ModelFacts
    session: InferenceSession
    decode: Decode
    multiple: int
    max_batch: int
    floor_score: float
    things: tuple[Thing, ...] = ()

    @property
    def role(self) -> Role:
        """What it finds."""
        return self.model.role

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        if len(pictures) != len(frames):
            raise ValueError("one frame number per picture")
        found: list[list[Detection]] = [[] for _ in pictures]
        for positions in self._batches(pictures):
            boxes = self._look([pictures[position] for position in positions])
            for position, rows in zip(positions, boxes, strict=True):
                found[position] = self._detections(rows, pictures[position], frames[position])
        return found

    def _batches(self, pictures: Sequence[Picture]) -> list[list[int]]:
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for position, picture in enumerate(pictures):
            by_shape.setdefault(picture.shape, []).append(position)
        return [
            positions[start : start + self.max_batch]
            for positions in by_shape.values()
            for start in range(0, len(positions), self.max_batch)
        ]

    def _look(self, pictures: Sequence[Picture]) -> list[Boxes]:
        batch = padded(pictures, self.multiple)
        size = (batch.shape[1], batch.shape[2])
        return self.decode(self.session.infer(self.model.name, batch), size, self.floor_score)

    def _detections(self, rows: Boxes, picture: Picture, frame: int) -> list[Detection]:
        height, width = picture.shape[:2]
        clipped = np.clip(rows[:, :4], 0, np.array([width, height, width, height], dtype=np.float32))
        return [
            Detection(frame, self.role, float(row[4]), x0, y0, x1, y1, self._thing(row))
            for (x0, y0, x1, y1), row in zip(clipped.tolist(), rows, strict=True)
            if x1 > x0 and y1 > y0
        ]

    def _thing(self, row: Boxes) -> Thing:
        things = self.things or THINGS_OF[self.role]
        return things[int(row[5])] if len(row) > 5 else things[0]


def padded(pictures: Sequence[Picture], multiple: int) -> Pictures:
    """One batch [N, H', W', 3]; black is added at the bottom and on the right, so that coordinates stay."""
    height, width = pictures[0].shape[:2]
    batch = np.zeros((len(pictures), -(-height // multiple) * multiple, -(-width // multiple) * multiple, 3), np.uint8)
    for target, picture in zip(batch, pictures, strict=True):
        target[:height, :width] = picture
    return batch
