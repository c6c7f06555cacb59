"""Which text may stay visible: lines that are surely read and match the policy's patterns as a whole (V-04).

Harmless text is not dropped but reported with a score so low that it counts only beside other text: a track in which
one look cannot be read, or reads otherwise, is masked as far as the rule links sightings. The same patterns hold for
the second look, else it would mask what was left visible on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from opendrape.domain.policy import DetectRule, Policy, Role
from opendrape.domain.scene_rules import is_allowed
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.reading import Box, ReadLine

Patterns = tuple[re.Pattern[str], ...]
_SURELY_READ = 0.9  # its characters on average, and
_LEAST_SURE = 0.5  # each of them
_BELOW = 0.5  # of the rule's weak score: what harmless text scores


class LineReader(Protocol):
    """Reads lines with how sure it is; see ``TextReader``."""

    def read_text(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        """What the boxes say."""

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        """The same, with how sure it is."""


@dataclass(frozen=True)
class AllowingDetector:
    """A ``Detector`` for text that gives harmless lines the score ``harmless``."""

    inner: Detector
    reader: LineReader
    patterns: Patterns
    harmless: float

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
        return [self._weighed(picture, hits) for picture, hits in zip(pictures, found, strict=True)]

    def _weighed(self, picture: Picture, hits: list[Detection]) -> list[Detection]:
        if not hits:
            return hits
        lines = self.reader.read_lines(picture, [(hit.x0, hit.y0, hit.x1, hit.y1) for hit in hits])
        weighed = [
            replace(hit, score=self.harmless) if _is_harmless(line, self.patterns) else hit
            for hit, line in zip(hits, lines, strict=True)
        ]
        return sorted(weighed, key=lambda hit: -hit.score)


@dataclass(frozen=True)
class AllowingReader:
    """A reader for the second look that reads nothing where the text is harmless: no finding then."""

    inner: LineReader
    patterns: Patterns

    def read_text(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        """One string per box; empty for harmless text."""
        lines = self.inner.read_lines(picture, boxes)
        return ["" if _is_harmless(line, self.patterns) else line.text for line in lines]


def patterns_of(policy: Policy) -> Patterns:
    """The policy's patterns, compiled."""
    return tuple(re.compile(pattern) for pattern in policy.text_allow)


def linking_harmless(rule: DetectRule) -> DetectRule:
    """The rule for which harmless text is weak: it counts only when linked to text that is not."""
    return rule.model_copy(update={"weak_score": rule.weak_score * _BELOW})


def without_harmless(rule: DetectRule) -> DetectRule:
    """Inverse of :func:`linking_harmless`: what the detector of the text is asked for."""
    return rule.model_copy(update={"weak_score": rule.weak_score / _BELOW})


def _is_harmless(line: ReadLine, patterns: Patterns) -> bool:
    sure = line.confidence >= _SURELY_READ and line.weakest >= _LEAST_SURE
    return sure and is_allowed(line.text, patterns)
