"""What a detection is, and what every detector promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing

Picture = npt.NDArray[np.uint8]
"""uint8 [H, W, 3], BGR."""
Boxes = npt.NDArray[np.float32]
"""float32 [K, 5] or [K, 6]: x0, y0, x1, y1 in pixels, the score, and which of the model's things it is (else 0)."""
Classes = Mapping[Thing, Sequence[int]]
"""Things in the order in which rows number them, each with the network's classes that count as it."""
THINGS_OF: Mapping[Role, tuple[Thing, ...]] = {
    Role.FACE: (Thing.FACE,),
    Role.HEAD: (Thing.HEAD,),
    Role.TEXT: (Thing.TEXT,),
    Role.PERSON_VEHICLE: (Thing.PERSON, Thing.BICYCLE, Thing.MOTORCYCLE, Thing.CAR, Thing.BUS, Thing.TRUCK),
    Role.PLATE: (Thing.PLATE,),
    Role.SCREEN: (Thing.SCREEN,),
    Role.OUT_OF_BODY: (Thing.OUT_OF_BODY,),
}
"""What a detector of a role reports; its rows number them in this order."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing seen in one picture; pixels of the picture that was examined, ``x1`` and ``y1`` exclusive."""

    frame: int
    role: Role
    score: float
    x0: float
    y0: float
    x1: float
    y1: float
    thing: Thing


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which weights look: folder name and SHA-256 of the published weights.

    ``longest_side``: in pixels, no picture is examined larger; 0: any size is.
    """

    name: str
    role: Role
    sha256: str
    longest_side: int = 0

    def fitting(self, sides: Sequence[int]) -> tuple[int, ...]:
        """The sizes that are examined when these are wanted, each once."""
        return tuple(dict.fromkeys(min(side, self.longest_side or side) for side in sides))


class TextLineReader(Protocol):
    """Says what is written in boxes of a picture."""

    def read_text(self, picture: Picture, boxes: Sequence[tuple[float, float, float, float]]) -> list[str]:
        """One string per box (x0, y0, x1, y1 in pixels); empty where nothing can be read, or nothing that matters."""


class Detector(Protocol):
    """Finds things of one role. Deterministic for the same pictures; keeps nothing between calls."""

    @property
    def role(self) -> Role:
        """What it finds."""

    @property
    def model(self) -> ModelFacts:
        """Which weights it uses."""

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """One list per picture, in order, best score first; ``frames`` are copied into the detections.

        Sizes may be mixed and need not be multiples of anything; pictures of one size are examined together.
        Boxes are clipped to the picture. Raises ``InferenceFailed`` or ``ModelMissing``, ``ValueError`` when
        the two sequences differ in length. An empty inner list means: looked, and found nothing.
        """
