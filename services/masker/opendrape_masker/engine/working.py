"""What a policy's scene rules change about masking a chunk: its regions, its detectors, and the report afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from opendrape.domain.policy import DetectRule, Policy, ResidualRule, Role
from opendrape.domain.regions import MaskReport
from opendrape.domain.scene_facts import BodyInterval, ConfirmedInterval
from opendrape_masker.detectors import Detector, TextLineReader, TextReader
from opendrape_masker.detectors.allowing import (
    AllowingDetector,
    AllowingReader,
    Patterns,
    linking_harmless,
    patterns_of,
    without_harmless,
)
from opendrape_masker.detectors.blocks import BlockReader
from opendrape_masker.engine.body_time import BodyTime, RememberingDetector, spared_spans
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.scenes import Scene, confirmed_regions, device_regions, survey_scene

_PLAIN_TEXT = DetectRule(
    role=Role.TEXT, max_gap_seconds=Fraction(1), long_side_pixels=(960,), strong_score=0.5, weak_score=0.5
)


class Detectors(Protocol):
    """Detectors by rule, and a reader, as the child builds them."""

    def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
        """The detector of a rule; the same one every time."""

    def reader(self) -> TextReader:
        """Reads what the second look takes for text."""


@dataclass
class Working:
    """One chunk's job with everything that is known before the first look, and detectors that obey the policy."""

    job: Job
    asked: Policy
    detectors: Detectors
    confirmed: tuple[ConfirmedInterval, ...] = ()
    scene: Scene = field(default_factory=Scene)
    _wrapped: dict[DetectRule, Detector] = field(default_factory=dict)

    @classmethod
    def of(
        cls, job: Job, detectors: Detectors, confirmed: Sequence[ConfirmedInterval], alive: Callable[[], None]
    ) -> Working:
        """Survey the video. ``MediaRefused`` when the policy's device profile is made for another picture size."""
        confirmed = (*confirmed, *job.policy.out_of_body.confirmed)
        fixed = (*job.regions, *device_regions(job.policy.device, job.media))
        scene = survey_scene(job, lambda: detectors(text_rule(job.policy)), alive)
        ready = replace(
            job,
            policy=working_policy(job.policy),
            regions=(*fixed, *confirmed_regions(confirmed, job.media), *scene.regions),
            spared=spared_spans(confirmed),
        )
        return cls(ready, job.policy, detectors, tuple(confirmed), scene)

    def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
        """The detector of a rule, wrapped where a scene rule asks for it."""
        if isinstance(rule, ResidualRule):
            return self.detectors(rule)
        if rule not in self._wrapped:
            self._wrapped[rule] = self._wrap(rule)
        return self._wrapped[rule]

    def reader(self) -> TextLineReader:
        """The second look's reader: of several lines in one box too, blind to harmless text."""
        reader = BlockReader(self.detectors.reader())
        return AllowingReader(reader, self._patterns) if self._patterns else reader

    def told(self, report: MaskReport) -> MaskReport:
        """The report with device, survey and out-of-body time in it."""
        seconds = {**report.seconds, "survey": round(self.scene.seconds, 3)} if self.scene.seconds else report.seconds
        return report.model_copy(
            update={
                "device": self.asked.device.label if self.asked.device else "",
                "survey": self.scene.facts,
                "out_of_body": self._body_time(),
                "seconds": seconds,
            }
        )

    @property
    def _patterns(self) -> Patterns:
        return patterns_of(self.asked)

    def _wrap(self, rule: DetectRule) -> Detector:
        if rule.role is Role.TEXT and self._patterns:
            inner = self.detectors(without_harmless(rule))
            return AllowingDetector(inner, self.detectors.reader(), self._patterns, rule.weak_score)
        if rule.role is Role.OUT_OF_BODY:
            return RememberingDetector(self.detectors(rule))
        return self.detectors(rule)

    def _body_time(self) -> tuple[BodyInterval, ...]:
        found = ((rule, made) for rule, made in self._wrapped.items() if isinstance(made, RememberingDetector))
        rule, made = next(found, (None, None))
        if rule is None or made is None:
            return ()
        certain = self.asked.out_of_body.certain_score
        time = BodyTime(rule, certain, self.job.timeline, self.job.span, self.confirmed)
        return time.intervals(made.scores)


def working_policy(policy: Policy) -> Policy:
    """The policy as the detectors work with it: harmless text links, uncertain time is shown when it asks for that."""
    return policy.model_copy(update={"detect": tuple(_working_rule(policy, rule) for rule in policy.detect)})


def text_rule(policy: Policy) -> DetectRule:
    """The policy's rule for text; a plain one when a sheet is all that text is looked for."""
    return next((rule for rule in policy.detect if rule.role is Role.TEXT), _PLAIN_TEXT)


def _working_rule(policy: Policy, rule: DetectRule) -> DetectRule:
    if rule.role is Role.TEXT and policy.text_allow:
        return linking_harmless(rule)
    if rule.role is Role.OUT_OF_BODY and policy.out_of_body.uncertain == "show":
        return rule.model_copy(update={"strong_score": max(rule.strong_score, policy.out_of_body.certain_score)})
    return rule
