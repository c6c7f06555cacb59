"""How one chunk is masked until the second look is content: render, check, mask what was found, render again."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from opendrape.domain.policy import DetectRule, ResidualRule, Role
from opendrape.domain.regions import CheckResult, MarkedRegion, MaskReport, ModelUse, ResidualFinding
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import ResidualFound
from opendrape.media.copying import Copyable, NotCopyable, copyable_groups
from opendrape_masker.detectors import Detector, TextLineReader
from opendrape_masker.detectors.second_opinion import SecondOpinion
from opendrape_masker.engine.checking import ChunkCheck
from opendrape_masker.engine.intervals import bounded, shown_at, timed
from opendrape_masker.engine.looking import Eye, Watch, rules_for, watch_for
from opendrape_masker.engine.render import Job, Renderer, RenderFacts
from opendrape_masker.engine.second_look import SecondLook

DetectorFor = Callable[[DetectRule | ResidualRule], Detector]
_ROUNDS = 3
_FINDING_GROWTH = 0.25


@dataclass
class ChunkMasker:
    """Masks one chunk into ``folder``; ``report_progress`` gets a share 0..1 of the present round."""

    job: Job
    detector_for: DetectorFor
    reader_for: Callable[[], TextLineReader]
    folder: Path
    report_progress: Callable[[float], None]
    _findings: list[ResidualFinding] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)

    @property
    def chunk_path(self) -> Path:
        """The written chunk."""
        return self.folder / "chunk.nut"

    def run(self) -> MaskReport:
        """Write and check the chunk. ``ResidualFound`` when the second look still finds something after all rounds."""
        for round_number in range(_ROUNDS):
            facts = self._render()
            checks = self._check(facts)
            if not checks.residual_findings:
                return self._report(facts, checks, round_number)
            self._remask_or_quarantine(checks.residual_findings)
        raise ResidualFound(f"{len(self._findings)} findings in {_ROUNDS} rounds")

    def _render(self) -> RenderFacts:
        started = time.perf_counter()
        job = replace(self.job, regions=(*self.job.regions, *self._remasked()))
        facts = Renderer(
            job,
            self._watches(),
            self.chunk_path,
            self._evidence,
            lambda frame: self._progress(frame, 0.0),
            self._source,
        ).run()
        self._spend(facts.seconds)
        self._spend({"render": time.perf_counter() - started})
        self._settle()
        return facts

    @cached_property
    def _source(self) -> Copyable | NotCopyable:
        """What may be copied; asked for once, all rounds and all chunks of a video get the same answer."""
        encode = self.job.policy.encode
        if not encode.smart_render:
            return NotCopyable("smart_render_off")
        if encode.codec != "h264" or encode.encoder != "software":
            return NotCopyable("smart_render_codec")
        job = self.job
        return copyable_groups(
            job.descriptor, media=job.media, timeline=job.timeline, limits=job.limits, encode=encode, span=job.span
        )

    def _check(self, facts: RenderFacts) -> CheckResult:
        started = time.perf_counter()
        result = ChunkCheck(
            self.job,
            self.chunk_path,
            self._evidence,
            self._second_looks(facts.copied),
            lambda frame: self._progress(frame, 0.7),
            self._source,
            facts.copied,
        ).run()
        self._spend({"check": time.perf_counter() - started})
        self._settle()
        return result

    def _remask_or_quarantine(self, findings: Sequence[ResidualFinding]) -> None:
        strict = {str(rule.role) for rule in self.job.policy.residual if rule.on_finding == "quarantine"}
        if any(finding.role in strict for finding in findings):
            raise ResidualFound(f"{len(findings)} findings")
        self._findings += findings

    def _watches(self) -> list[Watch]:
        watches = []
        for rule in self._rules():
            watch = watch_for(rule, self.detector_for(rule), self.job.media, self.job.timeline)
            if rule.role is Role.OUT_OF_BODY:
                watch.line.spared = self.job.spared
            residual = self._residual_rule(rule)
            found = [f for f in self._findings if f.role == str(rule.role)]
            if residual and found:
                watch.second_eye = self._eye(residual)
                watch.second_intervals = tuple(self._around(f.frame, residual) for f in found)
            watches.append(watch)
        return watches

    def _rules(self) -> list[DetectRule]:
        return rules_for(self.job.media.width, self.job.media.height, self.job.policy.detect)

    def _remasked(self) -> list[MarkedRegion]:
        """What the second look found stays masked up to its neighbouring looks, whatever the detectors say now."""
        rules = {str(rule.role): rule for rule in self.job.policy.residual}
        return [marked_around(f, self._around(f.frame, rules[f.role])) for f in self._findings]

    def _around(self, frame: int, rule: ResidualRule) -> FrameSpan:
        """Everything up to the neighbouring second looks: what was missed at one was missed near it."""
        return self.job.timeline.around(FrameSpan(frame, frame + 1), rule.max_gap_seconds)

    def _residual_rule(self, rule: DetectRule) -> ResidualRule | None:
        return next((r for r in self.job.policy.residual if r.role is rule.role), None)

    def _second_looks(self, copied: Sequence[FrameSpan]) -> list[SecondLook]:
        return [
            SecondLook(
                rule,
                self._eye(rule),
                self._second_frames(rule, copied),
                self.reader_for() if rule.role is Role.TEXT else None,
            )
            for rule in self.job.policy.residual
        ]

    def _second_frames(self, rule: ResidualRule, copied: Sequence[FrameSpan]) -> frozenset[int]:
        """Examined again: a frame at least every ``max_gap_seconds``, and both ends of the chunk.

        Instead of one in a copied group that is at most twice as long as that, the group's first frame: it is cheap to
        decode.
        """
        span, timeline = self.job.span, self.job.timeline
        wanted = {f for f in timeline.looks(rule.max_gap_seconds) if f in span} | {span.start, span.end - 1}
        for group in copied:
            length = (timeline.ticks[group.end - 1] - timeline.ticks[group.start]) * timeline.time_base
            inside = {f for f in wanted if f in group}
            if inside and length <= 2 * rule.max_gap_seconds:
                wanted = wanted - inside | {group.start}
        return frozenset(wanted)

    def _eye(self, rule: ResidualRule) -> Eye:
        return Eye.of(self.detector_for(rule), self.job.media, (rule.long_side_pixels,))

    def _progress(self, frame: int, offset: float) -> None:
        share = (frame - self.job.span.start + 1) / len(self.job.span)
        self.report_progress(offset + share * (0.7 if offset == 0 else 0.3))

    def _settle(self) -> None:
        """What a stage allocated goes back to the system before the next one starts."""
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)

    def _spend(self, seconds: dict[str, float]) -> None:
        for stage, spent in seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent

    @property
    def _evidence(self) -> Path:
        return self.folder / "evidence.bin"

    def _report(self, facts: RenderFacts, checks: CheckResult, rounds: int) -> MaskReport:
        span = self.job.span
        found, joined = bounded(timed(facts.found.intervals, self.job.timeline))
        return MaskReport(
            frames=len(self.job.span),
            masked_frames=facts.masked_frames,
            detections=facts.tally.detections,
            tracks=facts.tally.tracks,
            things=facts.tally.things,
            accounts=facts.tally.accounts,
            models=tuple(models_used((*self._rules(), *self.job.policy.residual), self.detector_for)),
            checks=checks.model_copy(update={"remasked_rounds": rounds}),
            duration_seconds=shown_at(self.job.timeline, span.end) - shown_at(self.job.timeline, span.start),
            found=found,
            found_joined=joined or facts.found.joined,
            cosmetic=self.job.policy.mask.cosmetic_labels,
            smart_render=facts.smart,
            seconds={stage: round(spent, 3) for stage, spent in self._seconds.items()},
            peak_memory_bytes=peak_memory_bytes(),
        )


def models_used(rules: Sequence[DetectRule | ResidualRule], detector_for: DetectorFor) -> list[ModelUse]:
    """Which weights these rules look with, and what for."""
    uses = []
    for rule in rules:
        detector = detector_for(rule)
        first = isinstance(rule, DetectRule)
        sides = rule.long_side_pixels if isinstance(rule, DetectRule) else (rule.long_side_pixels,)
        uses.append(
            ModelUse(
                role=str(rule.role),
                model=detector.model.name,
                sha256=detector.model.sha256,
                purpose="detect" if first else "residual",
                long_side_pixels=detector.model.fitting(sides),
            )
        )
        if isinstance(detector, SecondOpinion):
            uses.append(detector.advice)
    return uses


def marked_around(finding: ResidualFinding, span: FrameSpan) -> MarkedRegion:
    """What the second look saw as a region to be masked, a quarter larger on each side."""
    across, down = round(finding.width * _FINDING_GROWTH), round(finding.height * _FINDING_GROWTH)
    x, y = max(0, finding.x - across), max(0, finding.y - down)
    return MarkedRegion(
        x=x,
        y=y,
        width=finding.x + finding.width + across - x,
        height=finding.y + finding.height + down - y,
        start_frame=span.start,
        end_frame=span.end,
        must_be_solid=True,
    )


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
