"""A detector that sees what a test says, and a reader that reads what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opendrape.domain.policy import Role
from opendrape_masker.detectors import Detection, ModelFacts, Picture
from opendrape_masker.detectors.detection import THINGS_OF

Hit = tuple[float, float, float, float, float]
"""x0, y0, x1, y1 in pixels of the full upright picture, and the score."""


@dataclass
class ScriptedDetector:
    """Sees ``script[frame]`` (or ``script(frame)``); ``size`` is the full picture's (width, height)."""

    script: Mapping[int, Sequence[Hit]] | Callable[[int], Sequence[Hit]]
    size: tuple[int, int]
    role: Role = Role.FACE
    name: str = "scripted"
    asked: list[int] = field(default_factory=list)

    @property
    def model(self) -> ModelFacts:
        return ModelFacts(name=self.name, role=self.role, sha256="5c" * 32)

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        self.asked += frames
        return [self._see(picture, frame) for picture, frame in zip(pictures, frames, strict=True)]

    def _see(self, picture: Picture, frame: int) -> list[Detection]:
        hits = self.script(frame) if callable(self.script) else self.script.get(frame, ())
        across, down = picture.shape[1] / self.size[0], picture.shape[0] / self.size[1]
        return [
            Detection(frame, self.role, score, x0 * across, y0 * down, x1 * across, y1 * down, THINGS_OF[self.role][0])
            for x0, y0, x1, y1, score in hits
        ]


@dataclass
class ScriptedReader:
    """Reads ``line`` in every box."""

    line: str

    def read_text(self, picture: Picture, boxes: Sequence[Any]) -> list[str]:
        return [self.line for _ in boxes]
