"""Whether the written chunk is what was meant: times, pixels, masks, copied packets, nobody left (V-10, V-11, V-15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from opendrape.domain.regions import CheckResult
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.chunk_groups import prove_copied, read_chunk_groups, read_chunk_looks
from opendrape.media.copying import Copyable, NotCopyable
from opendrape.media.reader import Picture
from opendrape.media.writer import read_chunk
from opendrape_masker.engine.evidence import Record, lattice_outside, lattice_samples, read_evidence
from opendrape_masker.engine.mask_proof import prove_masks
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.second_look import Masks, SecondLook, SecondLooks

_Examine = Callable[[Picture, int, Masks], None]


@dataclass
class ChunkCheck:
    """Reads the written chunk once and holds every encoded picture against the evidence.

    ``copied`` are the spans that ``source`` lent: their packets are held against the source's, byte for byte, and of
    their pictures only those are decoded that are examined again.
    """

    job: Job
    chunk_path: Path
    evidence_path: Path
    second_looks: Sequence[SecondLook]
    on_frame: Callable[[int], None]
    source: Copyable | NotCopyable | None = None
    copied: Sequence[FrameSpan] = ()

    def run(self) -> CheckResult:
        """Raise ``FidelityBroken`` on any difference; residual findings are returned, the caller decides."""
        self._frames = self._regions = 0
        self._worst = math.inf
        looks = SecondLooks(self.second_looks, self.job.threads)
        with looks.open() as examine:
            self._check_encoded(examine)
            copied = self._check_copied(examine)
        if self._frames + copied != len(self.job.span):
            raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
        return CheckResult(
            frames_checked=self._frames + copied,
            worst_psnr_db=None if math.isinf(self._worst) else round(self._worst, 2),
            masked_regions_checked=self._regions,
            residual_frames_examined=looks.examined,
            residual_findings=tuple(sorted(looks.findings, key=lambda finding: finding.frame)),
        )

    def _check_encoded(self, examine: _Examine) -> None:
        painter = Painter.of(self.job.policy.mask, self.job.media)
        spans = _rest(self.job.span, self.copied)
        expected = (frame for span in spans for frame in span)
        for picture, record in zip_longest(self._written(spans), self._records()):
            frame = next(expected, None)
            if picture is None or record is None or frame is None:
                raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
            self._check_time(picture, record, frame)
            self._worst = min(self._worst, self._check_pixels(picture, record))
            self._regions += prove_masks(picture, record.painted, painter)
            examine(picture, frame, painter.hidden(record.rectangles))
            self._frames += 1
            self.on_frame(frame)

    def _written(self, spans: Sequence[FrameSpan]) -> Iterator[Picture]:
        job = self.job
        if not self.copied:
            return read_chunk(self.chunk_path, media=job.media, threads=job.threads)
        return read_chunk_groups(
            self.chunk_path, media=job.media, timeline=job.timeline, threads=job.threads, spans=spans
        )

    def _records(self) -> Iterator[Record]:
        """What was encoded and not replaced by the source's own packets afterwards."""
        for record in read_evidence(self.evidence_path):
            if not any(record.frame in span for span in self.copied):
                yield record

    def _check_copied(self, examine: _Examine) -> int:
        if not self.copied or not isinstance(self.source, Copyable):
            return 0
        job = self.job
        proven = prove_copied(self.chunk_path, job.descriptor, source=self.source, spans=self.copied, limits=job.limits)
        frames = frozenset(frame for look in self.second_looks for frame in look.frames)
        for picture in read_chunk_looks(
            self.chunk_path,
            media=job.media,
            timeline=job.timeline,
            threads=job.threads,
            spans=self.copied,
            looks=frames,
        ):
            examine(picture, picture.index, ())
            self.on_frame(picture.index)
        return proven

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


def _rest(span: FrameSpan, taken: Sequence[FrameSpan]) -> list[FrameSpan]:
    """What of ``span`` is in none of ``taken``, which rise."""
    rest, start = [], span.start
    for one in taken:
        rest += [FrameSpan(start, one.start)] if start < one.start else []
        start = one.end
    return rest + ([FrameSpan(start, span.end)] if start < span.end else [])


def _psnr(got: Array, meant: Array, bit_depth: int) -> float:
    """Peak signal-to-noise ratio in dB over the samples given; infinite when they are equal or none."""
    if not got.size:
        return math.inf
    error = float(np.mean((got.astype(np.float32) - meant.astype(np.float32)) ** 2))
    peak = (1 << bit_depth) - 1
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)
