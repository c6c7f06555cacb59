"""What two detectors of one role say together: the second one is asked where the first one doubts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import cv2
import numpy as np

from opendrape.domain.policy import OpinionRule, Role
from opendrape.domain.regions import ModelUse
from opendrape_masker.detectors.detection import Boxes, Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.suppression import intersection_over_union

_AGREEMENT = 0.2  # intersection over union: two networks draw the same face differently
_SAME_THING = 0.45
_CERTAIN = 0.99
_REMEMBERED = 64  # frames; rules look at one within a second or two of each other


Show = Callable[[], Picture]
"""Makes the picture that the second detector's is shrunk from."""


@dataclass(frozen=True, slots=True)
class Said:
    """Hits in pixels of a picture of this size."""

    width: int
    height: int
    hits: tuple[Detection, ...]


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
    shown_pixels: int | None = None
    """Longest side of the picture that the second one's is made from, whatever the first one looks at; None: its own.

    Rules of several sizes then mean the same picture, and one :class:`AskedOnce` answers all of them.
    """

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
        return [
            self._together(hits, picture, frame, partial(_the_same, picture))
            for hits, picture, frame in zip(found, pictures, frames, strict=True)
        ]

    def detect_showing(self, picture: Picture, frame: int, show: Show) -> list[Detection]:
        """The same for one picture; ``show`` makes the one for the second detector when that is asked."""
        return self._together(self.first.detect([picture], [frame])[0], picture, frame, show)

    def _together(self, hits: list[Detection], picture: Picture, frame: int, show: Show) -> list[Detection]:
        if frame not in self.asked_anyway and not any(self._is_doubted(hit) for hit in hits):
            return hits
        scale = self.rule.long_side_pixels / max(picture.shape[:2])
        heard = self._heard(picture, frame, show)
        agreeing = _boxes([hit for hit in heard if hit.score >= self.rule.agree_score])
        judged = [self._weighed(hit, agreeing, scale) for hit in hits]
        own = [replace(hit, score=min(_CERTAIN, hit.score * self.rule.score_factor)) for hit in heard]
        return merged([*judged, *own])

    def _is_doubted(self, hit: Detection) -> bool:
        return self.rule.doubt_score <= hit.score < self.rule.sure_score

    def _heard(self, picture: Picture, frame: int, show: Show) -> list[Detection]:
        """What the second one sees, in pixels of the first one's picture."""
        said = _shrunk_and_seen(self.second, self.rule.long_side_pixels, frame, show)
        across, down = picture.shape[1] / said.width, picture.shape[0] / said.height
        return [
            replace(hit, x0=hit.x0 * across, y0=hit.y0 * down, x1=hit.x1 * across, y1=hit.y1 * down)
            for hit in said.hits
        ]

    def _weighed(self, hit: Detection, agreeing: Boxes, scale: float) -> Detection:
        too_small = (hit.x1 - hit.x0 + hit.y1 - hit.y0) / 2 * scale < self.rule.least_pixels
        if hit.score >= self.rule.sure_score or too_small:
            return hit
        shared = intersection_over_union(_boxes([hit])[0], agreeing)
        return hit if (shared >= _AGREEMENT).any() else replace(hit, score=hit.score * self.rule.alone_factor)


@dataclass
class _Answer:
    lock: Lock = field(default_factory=Lock)
    said: Said | None = None


@dataclass
class AskedOnce:
    """A second detector that several rules ask about the same frames, shown the same picture: it looks once.

    Which rule asks first does not matter, nor does forgetting: the answer is a function of the frame. Several threads
    may ask; who comes second waits. An error is not remembered.
    """

    inner: Detector
    _said: dict[tuple[int, int], _Answer] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def at(self, floor_score: float) -> OneOfSeveral:
        """The same detector for one rule: hits under ``floor_score`` are none of its business."""
        return OneOfSeveral(self, floor_score)

    def about(self, frame: int, long_side: int, show: Show) -> Said:
        """What it sees on ``frame`` at ``long_side`` pixels."""
        with self._lock:
            answer = self._said.setdefault((frame, long_side), _Answer())
            while len(self._said) > _REMEMBERED:
                self._said.pop(next(iter(self._said)))
        with answer.lock:
            if answer.said is None:
                answer.said = _shrunk_and_seen(self.inner, long_side, frame, show)
            return answer.said


@dataclass(frozen=True)
class OneOfSeveral:
    """One rule's side of an :class:`AskedOnce`."""

    shared: AskedOnce
    floor_score: float

    @property
    def role(self) -> Role:
        """What it finds."""
        return self.shared.inner.role

    @property
    def model(self) -> ModelFacts:
        """Which weights it uses."""
        return self.shared.inner.model

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``; not remembered: nobody else is shown these pictures."""
        found = self.shared.inner.detect(pictures, frames)
        return [[hit for hit in hits if hit.score >= self.floor_score] for hits in found]

    def about(self, frame: int, long_side: int, show: Show) -> Said:
        """What it sees on ``frame``, asked once."""
        said = self.shared.about(frame, long_side, show)
        return replace(said, hits=tuple(hit for hit in said.hits if hit.score >= self.floor_score))


def _shrunk_and_seen(detector: Detector, long_side: int, frame: int, show: Show) -> Said:
    if isinstance(detector, OneOfSeveral):
        return detector.about(frame, long_side, show)
    picture = show()
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return Said(*size, tuple(detector.detect([small], [frame])[0]))


def _the_same(picture: Picture) -> Picture:
    return picture


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
