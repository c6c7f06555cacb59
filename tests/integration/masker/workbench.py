"""A small real clip, scripted detectors and one call that masks a span of it, for tests of the engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import DetectRule, EncodeRule, Policy, ResidualRule, Role
from opendrape.domain.regions import MarkedRegion, MaskReport
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.limits import MediaLimits
from opendrape_masker.detectors import Detector
from opendrape_masker.engine.chunk import ChunkMasker
from opendrape_masker.engine.evidence import Record, read_evidence
from opendrape_masker.engine.render import Job
from tests.fakes.detectors import Hit, ScriptedDetector, ScriptedReader
from tests.integration.media.footage import pattern, probed

SIZE = (192, 128)
PLENTY = 1 << 30
_KEYS_EVERY_12 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-g", "12", "-sc_threshold", "0")


@dataclass(frozen=True)
class Clip:
    """A file and what the probe says of it."""

    path: Path
    media: MediaInfo
    timeline: Timeline

    @classmethod
    def of(cls, path: Path) -> Clip:
        found = probed(path)
        return cls(path, found.media, found.timeline)

    @property
    def whole(self) -> FrameSpan:
        return FrameSpan(0, len(self.timeline))


def moving_pattern(path: Path, *more: str, seconds: str = "3") -> Clip:
    """A test pattern of 25 frames a second, a key frame at every twelfth."""
    size = f"{SIZE[0]}x{SIZE[1]}"
    return Clip.of(pattern(path, *_KEYS_EVERY_12, *more, size=size, seconds=seconds))


FACE = DetectRule(
    role=Role.FACE,
    max_gap_seconds=Fraction(1, 5),
    long_side_pixels=(192,),
    strong_score=0.5,
    weak_score=0.2,
    bridge_seconds=Fraction(2, 5),
    hold_seconds=Fraction(1, 5),
)
AGAIN = ResidualRule(role=Role.FACE, max_gap_seconds=Fraction(2, 5), long_side_pixels=192, score=0.5)
POLICY = Policy(
    name="bench",
    summary="for tests",
    detect=(FACE,),
    encode=EncodeRule(preset="ultrafast", crf=18, smart_render=False),
    chunk_seconds=Fraction(12, 25),
)

SMART = POLICY.model_copy(update={"encode": EncodeRule(preset="ultrafast", crf=18)})
GROUP = 25
"""Frames of a group of pictures in :func:`clip_of_groups`."""


def clip_of_groups(path: Path) -> Clip:
    """Eight seconds, a closed group of pictures each, with pictures that nothing refers to."""
    more = ("-pix_fmt", "yuv420p", "-preset", "veryfast", "-g", str(GROUP), "-keyint_min", str(GROUP), "-bf", "2")
    return moving_pattern(path, *more, seconds="8")


def walker(frame: int) -> Sequence[Hit]:
    """A face that crosses the picture, weak at times, gone at others, and one that is there only in the middle."""
    seen: list[Hit] = []
    if frame % 60 < 20:
        x = 5.0 + 1.8 * (frame % 75)
        seen.append((x, 30, x + 26, 60, 0.9 if frame % 15 else 0.3))
    if 34 <= frame < 47:
        seen.append((130, 80, 150, 104, 0.7))
    return seen


@dataclass
class Bench:
    """Masks spans of one clip into folders of its own. ``first`` looks first, ``second`` at the written file."""

    clip: Clip
    folder: Path
    policy: Policy = POLICY
    first: Any = field(default_factory=lambda: ScriptedDetector(walker, SIZE))
    second: Any = field(default_factory=lambda: ScriptedDetector({}, SIZE, name="second"))
    reader: Any = field(default_factory=lambda: ScriptedReader(""))
    regions: tuple[MarkedRegion, ...] = ()
    window_bytes: int = PLENTY
    threads: int = 1
    progress: Callable[[float], None] = lambda _share: None

    def masker(self, span: FrameSpan, descriptor: int) -> ChunkMasker:
        """A fresh one, with a folder of its own."""
        return ChunkMasker(
            self.job(span, descriptor), self.detector_for, lambda: self.reader, self.own_folder(), self.progress
        )

    def own_folder(self) -> Path:
        folder = self.folder / f"{len(list(self.folder.iterdir())):05d}"
        folder.mkdir()
        return folder

    def job(self, span: FrameSpan, descriptor: int) -> Job:
        return Job(
            descriptor=descriptor,
            media=self.clip.media,
            timeline=self.clip.timeline,
            span=span,
            policy=self.policy,
            regions=self.regions,
            limits=MediaLimits(),
            threads=self.threads,
            window_bytes=self.window_bytes,
        )

    def detector_for(self, rule: DetectRule | ResidualRule) -> Detector:
        chosen: Detector = self.first if isinstance(rule, DetectRule) else self.second
        return chosen

    def mask(self, span: FrameSpan | None = None) -> Masked:
        """Mask a span (default: all); any error passes."""
        descriptor = os.open(self.clip.path, os.O_RDONLY)
        try:
            masker = self.masker(span or self.clip.whole, descriptor)
            return Masked(masker.run(), masker.folder)
        finally:
            os.close(descriptor)

    def with_(self, **changes: Any) -> Bench:
        return replace(self, **changes)


@dataclass(frozen=True)
class Masked:
    """What one run left behind."""

    report: MaskReport
    folder: Path

    @property
    def chunk(self) -> Path:
        return self.folder / "chunk.nut"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence.bin"

    @property
    def records(self) -> list[Record]:
        return list(read_evidence(self.evidence))

    @property
    def painted(self) -> dict[int, Any]:
        """Regions by frame."""
        return {record.frame: record.rectangles for record in self.records}
