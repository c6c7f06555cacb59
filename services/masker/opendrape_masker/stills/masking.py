"""How one picture is masked until the second look is content: look, paint, write, read back, look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from opendrape.domain.policy import DetectRule, Policy, ResidualRule, Role
from opendrape.domain.regions import CheckResult, MarkedRegion, MaskReport, ModelUse, ResidualFinding
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import ResidualFound
from opendrape.media.stills.facts import StillFacts
from opendrape_masker.engine.chunk import marked_around, models_used, peak_memory_bytes
from opendrape_masker.engine.intervals import IntervalTally
from opendrape_masker.engine.looking import Eye, Tally, marked_targets
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.regions import PixelRect, Target
from opendrape_masker.engine.scenes import whole_picture
from opendrape_masker.engine.second_look import SecondLook
from opendrape_masker.engine.working import Working, text_rule
from opendrape_masker.stills.checking import NEAR_ENOUGH_DB, Meant, nearness, prove_written, written_picture
from opendrape_masker.stills.encoding import QUALITIES, encoded
from opendrape_masker.stills.looking import FRAME, Looked, larger_too, shows_a_sheet
from opendrape_masker.stills.photograph import Photograph, covered_by

_ROUNDS = 3
_ONLY = FrameSpan(FRAME, FRAME + 1)


@dataclass
class _Seen:
    """One round's answer of the detectors."""

    rectangles: list[PixelRect]
    targets: list[Target]
    tally: Tally


@dataclass
class StillMasker:
    """Masks upright ``samples`` into ``path``. ``asked`` is the policy as it was written, ``working`` works with it."""

    working: Working
    asked: Policy
    source: StillFacts
    samples: Array
    path: Path
    report_progress: Callable[[float], None]
    _findings: list[ResidualFinding] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> MaskReport:
        """Write and check the file. ``ResidualFound`` when the second look still finds something after all rounds."""
        self._painter = Painter.of(self.asked.mask, self.working.job.media)
        self._sheet = self._is_sheet()
        for round_number in range(_ROUNDS):
            with self._timed("look"):
                seen = self._look()
            with self._timed("write"):
                meant, written, file = self._write(seen)
            with self._timed("check"):
                level = prove_written(written, self.source, meant, self._painter)
                findings = self._look_again(written, meant)
            if not findings:
                self.path.write_bytes(file)
                return self._report(seen, meant, level, round_number)
            self._remask_or_quarantine(findings)
        raise ResidualFound(f"{len(self._findings)} findings in {_ROUNDS} rounds")

    def _look(self) -> _Seen:
        job = self.working.job
        still = Photograph.of(self.samples).still()
        looked = [
            Looked.of(rule, self.working(rule), job.media, still, self._second_eye(rule)) for rule in job.policy.detect
        ]
        targets = marked_targets((*job.regions, *self._sheet, *self._remasked()), FRAME)
        masked = []
        for one in looked:
            is_spared = one.watch.rule.role is Role.OUT_OF_BODY and any(FRAME in span for span in job.spared)
            own = [] if is_spared else one.targets  # a person said that it is inside the body
            masked.append((one.watch, bool(own)))
            targets += own
        tally = Tally()
        tally.count(FRAME, masked)
        self.report_progress(0.5)
        return _Seen(self._painter.rectangles(targets), targets, tally)

    def _second_eye(self, rule: DetectRule) -> Eye | None:
        """The second look's eye, where it found something of this role in an earlier round."""
        residual = next((one for one in self.asked.residual if one.role is rule.role), None)
        found = any(finding.role == str(rule.role) for finding in self._findings)
        return self._eye(residual) if residual is not None and found else None

    def _is_sheet(self) -> tuple[MarkedRegion, ...]:
        if self.asked.case_sheet is None:
            return ()
        rule = text_rule(self.asked)
        media, still = self.working.job.media, Photograph.of(self.samples).still()
        found = shows_a_sheet(self.asked, self.working.detectors(rule), media, still)
        return (whole_picture(media, _ONLY),) if found else ()

    def _write(self, seen: _Seen) -> tuple[Meant, Array, bytes]:
        """Paint, write, read back; in a lossy family with rising quality until what is beside the masks is near."""
        photograph = Photograph.of(self.samples)
        painted = self._painter.paint(photograph, seen.rectangles)
        covered = covered_by(painted, self._painter)
        meant = Meant(np.ascontiguousarray(photograph.over(self.samples, covered)), covered, painted)
        limits = self.working.job.limits
        for quality in QUALITIES:
            file = encoded(meant.samples, self.source, quality=quality)
            written = written_picture(file, self.source, meant, limits)
            if self.source.lossless or nearness(written, meant) >= NEAR_ENOUGH_DB:
                break
        self.report_progress(0.7)
        return meant, written, file

    def _look_again(self, written: Array, meant: Meant) -> list[ResidualFinding]:
        still = Photograph.of(written).still()
        hidden = self._painter.hidden([region.rect for region in meant.painted])
        return [finding for look in self._second_looks() for finding in look.uncovered(still, FRAME, hidden)]

    def _second_looks(self) -> list[SecondLook]:
        return [
            SecondLook(
                rule,
                self._eye(rule),
                frozenset({FRAME}),
                self.working.reader() if rule.role is Role.TEXT else None,
            )
            for rule in self.asked.residual
        ]

    def _eye(self, rule: ResidualRule) -> Eye:
        """The larger size first: what is read is read there."""
        media = self.working.job.media
        return Eye.of(self.working(rule), media, larger_too((rule.long_side_pixels,), media)[::-1])

    def _remask_or_quarantine(self, findings: Sequence[ResidualFinding]) -> None:
        strict = {str(rule.role) for rule in self.asked.residual if rule.on_finding == "quarantine"}
        if any(finding.role in strict for finding in findings):
            raise ResidualFound(f"{len(findings)} findings")
        self._findings += findings

    def _remasked(self) -> list[MarkedRegion]:
        return [marked_around(finding, _ONLY) for finding in self._findings]

    def _models(self) -> tuple[ModelUse, ...]:
        media = self.working.job.media
        return tuple(
            use.model_copy(update={"long_side_pixels": larger_too(use.long_side_pixels, media)})
            if use.purpose == "residual"
            else use
            for use in models_used((*self.working.job.policy.detect, *self.working.job.policy.residual), self.working)
        )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started

    def _report(self, seen: _Seen, meant: Meant, level: float | None, rounds: int) -> MaskReport:
        found = IntervalTally()
        found.note(FRAME, seen.rectangles, seen.targets)
        return MaskReport(
            frames=1,
            masked_frames=int(bool(seen.rectangles)),
            detections=seen.tally.detections,
            tracks=seen.tally.tracks,
            things=seen.tally.things,
            accounts=seen.tally.accounts,
            models=self._models(),
            checks=CheckResult(
                frames_checked=1,
                worst_psnr_db=level,
                masked_regions_checked=len(meant.painted),
                residual_frames_examined=len(self.asked.residual),
                remasked_rounds=rounds,
            ),
            found=found.intervals,
            cosmetic=self.asked.mask.cosmetic_labels,
            seconds={stage: round(spent, 3) for stage, spent in self._seconds.items()},
            peak_memory_bytes=peak_memory_bytes(),
        )
