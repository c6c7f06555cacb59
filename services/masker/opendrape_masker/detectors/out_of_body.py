"""How likely a picture shows something outside the body: a measured heuristic, and what a site's own model answers.

What an endoscope sees inside is lit by nothing but its own white light and reflected by wet, blood-rich tissue: nearly
every lit pixel is warm and saturated, red clearly above green, and there is little fine detail. A room has white walls,
green or blue drapes, grey metal, text and edges. Three shares are taken over the lit pixels (the black border around a
round picture does not count), each is turned into 0..1 by a ramp, and a picture is inside as far as all three say so.
Nothing was learnt; docs/out-of-body.md has what it gets right and what it cannot know: a warm-lit face looks inside,
fat, smoke, a white swab and a green drape in the wound look outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import Boxes, Detection, ModelFacts, Picture
from opendrape_masker.inference.port import Tensors

NAME = "built-in-out-of-body"
_LONG_SIDE = 256
_LIT, _GLARE = 40, 230  # grey levels: darker tells no colour, brighter is a reflex
_WARM_HUES = (330.0, 60.0)  # degrees: red, from magenta to yellow
_SATURATED = 0.25
_WARM_RAMP = (0.40, 0.75)  # share of the lit pixels: nothing inside below, inside above
_RED_RAMP = (1.05, 1.40)  # median of red to green: grey is 1, haemoglobin absorbs green
_DETAIL_RAMP = (0.15, 0.35)  # share of lit pixels with an edge: inside below, outside above
_EDGE = 16.0  # levels per pixel
_TOO_DARK = 0.05  # of the pixels are lit: there is nothing to judge
_UNDECIDED = 0.5
_HIGHEST = 0.99


@dataclass(frozen=True, slots=True)
class SceneShares:
    """What is measured on one picture: shares of its lit pixels, and the lit share of the picture."""

    lit: float
    warm: float
    red_to_green: float
    detail: float


@dataclass(frozen=True)
class BuiltInOutOfBody:
    """A ``Detector`` without weights: the whole picture is one box, its score says how surely it is outside."""

    floor_score: float

    @property
    def role(self) -> Role:
        """What it finds."""
        return Role.OUT_OF_BODY

    @property
    def model(self) -> ModelFacts:
        """Its name, and the digest of this file in place of weights: these lines decide."""
        return ModelFacts(NAME, Role.OUT_OF_BODY, hashlib.sha256(Path(__file__).read_bytes()).hexdigest())

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        return [self._look(picture, frame) for picture, frame in zip(pictures, frames, strict=True)]

    def _look(self, picture: Picture, frame: int) -> list[Detection]:
        score = out_of_body_score(scene_shares(picture))
        if score < self.floor_score:
            return []
        height, width = picture.shape[:2]
        return [Detection(frame, self.role, score, 0.0, 0.0, float(width), float(height), Thing.OUT_OF_BODY)]


def scene_shares(picture: Picture) -> SceneShares:
    """Measure one picture, uint8 ``[H, W, 3]`` BGR of any size."""
    scale = min(1.0, _LONG_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    high, low = small.max(axis=2), small.min(axis=2)
    lit = (high >= _LIT) & (low < _GLARE)
    count = int(lit.sum())
    if not count:
        return SceneShares(0.0, 0.0, 1.0, 0.0)
    hue = cv2.cvtColor(small / 255, cv2.COLOR_BGR2HSV)[..., 0]
    saturated = (high - low) >= _SATURATED * high
    warm = lit & saturated & ((hue >= _WARM_HUES[0]) | (hue <= _WARM_HUES[1]))
    ratio = small[..., 2][lit] / np.maximum(small[..., 1][lit], 1.0)
    return SceneShares(
        lit=count / lit.size,
        warm=int(warm.sum()) / count,
        red_to_green=float(np.median(ratio)),
        detail=int((_edges(small) & lit).sum()) / count,
    )


def out_of_body_score(shares: SceneShares) -> float:
    """0 inside, towards 1 outside; one half for a picture too dark to tell."""
    if shares.lit < _TOO_DARK:
        return _UNDECIDED
    inside = _ramp(shares.warm, _WARM_RAMP) * _ramp(shares.red_to_green, _RED_RAMP)
    inside *= 1.0 - _ramp(shares.detail, _DETAIL_RAMP)
    return min(_HIGHEST, 1.0 - inside)


def decode_whole_picture(tensors: Tensors, size: tuple[int, int], floor_score: float) -> list[Boxes]:
    """One box for the whole picture from a site's classifier: tensor ``score`` [N, 1], how surely it is outside."""
    scores = tensors["score"].reshape(len(tensors["score"]), -1)[:, 0]
    height, width = size
    return [_whole(width, height, float(score), floor_score) for score in scores]


def _whole(width: int, height: int, score: float, floor_score: float) -> Boxes:
    rows: Boxes = np.array([[0, 0, width, height, min(_HIGHEST, score)]], dtype=np.float32)
    return rows if score >= floor_score else rows[:0]


def _edges(small: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    grey = small.mean(axis=2)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    strong: npt.NDArray[np.bool_] = cv2.magnitude(across, down) > _EDGE
    return strong


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))
