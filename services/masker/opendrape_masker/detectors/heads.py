"""Where a head is when only its body is seen: a face that turns away stays hidden as long as its body is there (V-03).

Every look sees people and faces together. A person with a face gives a strong sighting of a head, one without gives a
weak one; the rule's linking does the rest: a weak head counts only while a chain of links leads to a strong one within
``bridge_seconds``. So who never showed a face is not masked, and nothing depends on the past beyond the rule's reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture

PERSON_SCORE = 0.3
"""A body this likely may carry a head."""
FACE_SCORE = 0.5
"""A face this likely makes its head certain."""
_WITHOUT_FACE = 0.4  # times the body's score: below every strong score that makes sense
_ACROSS = 0.7  # of the body's width; heads lean
_DOWN = (0.2, 0.6)  # of the height, of the width: standing people are seven heads tall, sitting ones two or three
_ABOVE = 0.03  # of the body's height; detectors cut hair off

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class HeadsOfPeople:
    """A ``Detector`` of heads, from one detector of people and one of faces."""

    people: Detector
    faces: Detector

    @property
    def role(self) -> Role:
        """What it finds."""
        return Role.HEAD

    @property
    def model(self) -> ModelFacts:
        """Which weights find the bodies."""
        return replace(self.people.model, role=self.role)

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        looks = zip(self.people.detect(pictures, frames), self.faces.detect(pictures, frames), pictures, strict=True)
        return [_heads(people, faces, picture) for people, faces, picture in looks]


def head_of(body: Corners) -> Corners:
    """The upper part of an upright body that holds its head, ``x0, y0, x1, y1``; deliberately too large."""
    x0, y0, x1, y1 = body
    across, down = (x1 - x0) * _ACROSS / 2, max(_DOWN[0] * (y1 - y0), min(_DOWN[1] * (x1 - x0), 0.5 * (y1 - y0)))
    middle = (x0 + x1) / 2
    return middle - across, y0 - _ABOVE * (y1 - y0), middle + across, y0 + down


def _heads(people: Sequence[Detection], faces: Sequence[Detection], picture: Picture) -> list[Detection]:
    height, width = picture.shape[:2]
    found = [_head(one, faces) for one in people if one.thing is Thing.PERSON]
    inside = [_clipped(head, width, height) for head in found]
    return sorted((head for head in inside if head.x1 > head.x0 and head.y1 > head.y0), key=lambda head: -head.score)


def _head(person: Detection, faces: Sequence[Detection]) -> Detection:
    corners = head_of((person.x0, person.y0, person.x1, person.y1))
    own = [face for face in faces if face.score >= FACE_SCORE and _holds_centre(corners, face)]
    if not own:
        return _detection(person, corners, person.score * _WITHOUT_FACE)
    face = max(own, key=lambda one: one.score)
    both = (min(corners[0], face.x0), min(corners[1], face.y0), max(corners[2], face.x1), max(corners[3], face.y1))
    return _detection(person, both, 0.5 + face.score / 2)


def _holds_centre(corners: Corners, face: Detection) -> bool:
    x, y = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2
    return corners[0] <= x <= corners[2] and corners[1] <= y <= corners[3]


def _detection(person: Detection, corners: Corners, score: float) -> Detection:
    return Detection(person.frame, Role.HEAD, min(score, 0.99), *corners, Thing.HEAD)


def _clipped(head: Detection, width: int, height: int) -> Detection:
    x0, y0, x1, y1 = max(0.0, head.x0), max(0.0, head.y0), min(float(width), head.x1), min(float(height), head.y1)
    return Detection(head.frame, head.role, head.score, x0, y0, x1, y1, head.thing)
