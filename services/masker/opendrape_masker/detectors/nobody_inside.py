"""Which people a detector sees in wet tissue: small networks take the inside of a body for a person, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.out_of_body import out_of_body_score, scene_shares

_LARGE = 0.2  # of the picture: tissue fills it, instruments are not taken for people
_SURELY_INSIDE = 0.05  # on the scale of the built-in out-of-body score
FACE_SCORE = 0.4  # a face this likely means that somebody is there, whatever the light


@dataclass(frozen=True)
class NobodyInside:
    """A ``Detector`` of people and vehicles that drops large people where all says that the camera is inside a body.

    Four things must agree: the box is large, the whole picture and what is in the box both look surely inside, and no
    face is seen in the picture. A room in warm light passes the first three now and then; docs/benchmarks/people.md
    has how often each side errs.
    """

    people: Detector
    faces: Detector

    @property
    def role(self) -> Role:
        """What it finds."""
        return self.people.role

    @property
    def model(self) -> ModelFacts:
        """Which weights find people."""
        return self.people.model

    def detect(self, pictures: Sequence[Picture], frames: Sequence[int]) -> list[list[Detection]]:
        """See ``Detector.detect``."""
        found = self.people.detect(pictures, frames)
        return [self._believed(hits, picture) for hits, picture in zip(found, pictures, strict=True)]

    def _believed(self, hits: list[Detection], picture: Picture) -> list[Detection]:
        doubtful = [hit for hit in hits if _is_large_person(hit, picture)]
        if not doubtful or not _is_inside(picture) or self._shows_a_face(picture):
            return hits
        return [hit for hit in hits if hit not in doubtful or not _is_inside(_part(hit, picture))]

    def _shows_a_face(self, picture: Picture) -> bool:
        return any(face.score >= FACE_SCORE for face in self.faces.detect([picture], [0])[0])


def _is_large_person(hit: Detection, picture: Picture) -> bool:
    share = (hit.x1 - hit.x0) * (hit.y1 - hit.y0) / (picture.shape[0] * picture.shape[1])
    return hit.thing is Thing.PERSON and share >= _LARGE


def _is_inside(picture: Picture) -> bool:
    return out_of_body_score(scene_shares(picture)) <= _SURELY_INSIDE


def _part(hit: Detection, picture: Picture) -> Picture:
    return picture[int(hit.y0) : ceil(hit.y1), int(hit.x0) : ceil(hit.x1)]
