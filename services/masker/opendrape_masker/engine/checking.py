"""Whether the written chunk is what was meant: times, pixels, solid masks, nobody left (V-10, V-15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from opendrape.domain.policy import ResidualRule
from opendrape.domain.regions import CheckResult, ResidualFinding
from opendrape.errors import FidelityBroken
from opendrape.media.reader import Picture
from opendrape.media.writer import read_chunk
from opendrape_masker.detectors import TextLineReader
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.evidence import Record, lattice_outside, lattice_samples, read_evidence
from opendrape_masker.engine.looking import Eye, merge_same
from opendrape_masker.engine.mask_proof import prove_masks
from opendrape_masker.engine.paint import Painter, PixelRect
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.render import Job

_READABLE_CHARACTERS = 3
_HIDDEN_ENOUGH = 0.7  # of a residual hit inside masks: it is a mask's rim, not a person


@dataclass(frozen=True)
class SecondLook:
    """One residual rule at work on the frames it examines."""

    rule: ResidualRule
    eye: Eye
    frames: frozenset[int]
    reader: TextLineReader | None = None


@dataclass
class ChunkCheck:
    """Reads the written chunk once and holds every picture against the evidence."""

    job: Job
    chunk_path: Path
    evidence_path: Path
    second_looks: Sequence[SecondLook]
    on_frame: Callable[[int], None]

    def run(self) -> CheckResult:
        """Raise ``FidelityBroken`` on any difference; residual findings are returned, the caller decides."""
        painter = Painter.of(self.job.policy.mask, self.job.media)
        frames = regions = examined = 0
        worst = math.inf
        findings: list[ResidualFinding] = []
        written = read_chunk(self.chunk_path, media=self.job.media, threads=self.job.threads)
        expected = iter(self.job.span)
        for picture, record in zip_longest(written, read_evidence(self.evidence_path)):
            frame = next(expected, None)
            if picture is None or record is None or frame is None:
                raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
            self._check_time(picture, record, frame)
            worst = min(worst, self._check_pixels(picture, record))
            regions += prove_masks(picture, record.painted, painter)
            examined += self._look_again(picture, record, painter.hidden(record.rectangles), findings)
            frames += 1
            self.on_frame(frame)
        if next(expected, None) is not None:
            raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
        return CheckResult(
            frames_checked=frames,
            worst_psnr_db=None if math.isinf(worst) else round(worst, 2),
            masked_regions_checked=regions,
            residual_frames_examined=examined,
            residual_findings=tuple(findings),
        )

    def _check_time(self, picture: Picture, record: Record, frame: int) -> None:
        meant = self.job.timeline.ticks[frame]
        if not (record.frame == frame and record.tick == meant and picture.tick == meant):
            raise FidelityBroken("a frame is shown at another time", reason="fidelity_timestamps")

    def _check_pixels(self, picture: Picture, record: Record) -> float:
        got = lattice_samples(picture, record.frame)
        if len(got) * got.itemsize != len(record.samples):
            raise FidelityBroken("geometry differs", reason="fidelity_geometry")
        meant = np.frombuffer(record.samples, got.dtype)
        outside = lattice_outside(picture, record.frame, record.rectangles)
        psnr = _psnr(got[outside], meant[outside], self.job.media.bit_depth)
        if psnr < self.job.policy.encode.minimum_psnr_db:
            raise FidelityBroken("pixels outside masks were damaged", reason="fidelity_pixels")
        return psnr

    def _look_again(
        self, picture: Picture, record: Record, masks: Sequence[Box], findings: list[ResidualFinding]
    ) -> int:
        examined = 0
        for look in self.second_looks:
            if record.frame in look.frames:
                examined += 1
                findings += _uncovered(look, picture, record.frame, masks)
        return examined


def _uncovered(look: SecondLook, picture: Picture, frame: int, masks: Sequence[Box]) -> list[ResidualFinding]:
    """What the second look sees outside masks. What is taken for text counts when the reader can read it."""
    small = look.eye.take(picture)
    seen = [
        (box, score)
        for box, score, _ in merge_same(look.eye.see(small, frame))
        if score >= look.rule.score and covered_share(box, masks) < _HIDDEN_ENOUGH
    ]
    if look.reader is not None and seen:
        view = look.eye.views[0]
        lines = look.reader.read_text(small[0], [view.forth(box).corners for box, _ in seen])
        seen = [hit for hit, line in zip(seen, lines, strict=True) if _is_readable(line)]
    return [_finding(look.rule, frame, box, score) for box, score in seen]


def _is_readable(line: str) -> bool:
    return sum(character.isalnum() for character in line) >= _READABLE_CHARACTERS


def _finding(rule: ResidualRule, frame: int, box: Box, score: float) -> ResidualFinding:
    rect = PixelRect(round(box.x0), round(box.y0), round(box.x1), round(box.y1))
    return ResidualFinding(
        frame=frame,
        role=str(rule.role),
        score=round(score, 3),
        x=rect.x0,
        y=rect.y0,
        width=max(1, rect.x1 - rect.x0),
        height=max(1, rect.y1 - rect.y0),
    )


def _psnr(got: Array, meant: Array, bit_depth: int) -> float:
    """Peak signal-to-noise ratio in dB over the samples given; infinite when they are equal or none."""
    if not got.size:
        return math.inf
    error = float(np.mean((got.astype(np.float32) - meant.astype(np.float32)) ** 2))
    peak = (1 << bit_depth) - 1
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)
