"""What two detectors of one role say together: the second one is asked where the first one doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from opendrape.domain.policy import OpinionRule, Role
from opendrape.domain.regions import ModelUse
from opendrape_masker.detectors.detection import Boxes, Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.suppression import intersection_over_union

_AGREEMENT = 0.2  # intersection over union: two networks draw the same face differently
_SAME_THING = 0.45
_CERTAIN = 0.99


def least_score(rule: OpinionRule, weak_score: float) -> float:
    """The lowest score of the second detector that can matter."""
    return min(rule.agree_score, weak_score / rule.score_factor)


@dataclass(frozen=True)
class SecondOpinion:
    """A ``Detector`` that is right more often than either of two: one is fast, the other errs elsewhere.

    A hit of the first one between ``doubt_score`` and ``sure_score`` has the second one asked. With its word the hit
    stands; without it counts less, unless the thing is too small for the second one. What the second one sees by
    itself counts too. Where both see a thing, it is as large as both say. ``asked_anyway`` are frames at which the
    second one looks whatever the first one says: they find what the first one never sees.
    """

    rule: OpinionRule
    first: Detector
    second: Detector
    asked_anyway: frozenset[int] = frozenset()

    @property
    def role(self) -> Role:
        """What both find."""
        return self.first.role

    @property
    def model(self) -> ModelFacts:
        """Which weights look at every look."""
        return self.first.model

    @property
    def advice(self) -> ModelUse:
        """Which weights are asked besides, for the report."""
        facts = self.second.model
        sizes = (self.rule.long_side_pixels,)
        return ModelUse(
            role=str(self.role), model=facts.name, sha256=facts.sha256, purpose="opinion", long_side_pixels=sizes
        )

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        found = self.first.detect(pictures, frames)
        return [self._together(*one) for one in zip(found, pictures, frames, strict=True)]

    def _together(self, hits: list[Detection], picture: Picture, frame: int) -> list[Detection]:
        if frame not in self.asked_anyway and not any(self._is_doubted(hit) for hit in hits):
            return hits
        scale = self.rule.long_side_pixels / max(picture.shape[:2])
        heard = self._heard(picture, frame, scale)
        agreeing = _boxes([hit for hit in heard if hit.score >= self.rule.agree_score])
        judged = [self._weighed(hit, agreeing, scale) for hit in hits]
        own = [replace(hit, score=min(_CERTAIN, hit.score * self.rule.score_factor)) for hit in heard]
        return merged([*judged, *own])

    def _is_doubted(self, hit: Detection) -> bool:
        return self.rule.doubt_score <= hit.score < self.rule.sure_score

    def _heard(self, picture: Picture, frame: int, scale: float) -> list[Detection]:
        """What the second one sees, in pixels of the first one's picture."""
        height, width = picture.shape[:2]
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        across, down = width / size[0], height / size[1]
        return [
            replace(hit, x0=hit.x0 * across, y0=hit.y0 * down, x1=hit.x1 * across, y1=hit.y1 * down)
            for hit in self.second.detect([small], [frame])[0]
        ]

    def _weighed(self, hit: Detection, agreeing: Boxes, scale: float) -> Detection:
        too_small = (hit.x1 - hit.x0 + hit.y1 - hit.y0) / 2 * scale < self.rule.least_pixels
        if hit.score >= self.rule.sure_score or too_small:
            return hit
        shared = intersection_over_union(_boxes([hit])[0], agreeing)
        return hit if (shared >= _AGREEMENT).any() else replace(hit, score=hit.score * self.rule.alone_factor)


def merged(hits: Sequence[Detection]) -> list[Detection]:
    """One detection per thing, best score first, as large as all that overlap it strongly say together."""
    kept: list[Detection] = []
    for hit in sorted(hits, key=lambda one: -one.score):
        shared = intersection_over_union(_boxes([hit])[0], _boxes(kept))
        if len(kept) and shared.max() >= _SAME_THING:
            at = int(shared.argmax())
            kept[at] = _around(kept[at], hit)
        else:
            kept.append(hit)
    return kept


def _around(one: Detection, other: Detection) -> Detection:
    return replace(
        one,
        x0=min(one.x0, other.x0),
        y0=min(one.y0, other.y0),
        x1=max(one.x1, other.x1),
        y1=max(one.y1, other.y1),
    )


def _boxes(hits: Sequence[Detection]) -> Boxes:
    return np.array([(hit.x0, hit.y0, hit.x1, hit.y1, hit.score) for hit in hits], np.float32).reshape(-1, 5)
