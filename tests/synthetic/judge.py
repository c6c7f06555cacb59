"""Whether an output video really hides what the truth says is there: painted share, times, faces, readable words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt

from opendrape.domain.policy import Role
from opendrape_masker.detectors import Detector, ModelFacts, build_detector, build_reader
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.synthetic import SampleTruth, TrueBox
from tests.synthetic.canaries import Hit, grep_bytes, grep_canaries
from tests.synthetic.likeness import distance_inside

__all__ = ["Hit", "Judge", "Shown", "Uncovered", "grep_bytes", "grep_canaries", "pictures", "uncovered", "wrong_times"]

BLACK_LUMA = 16
Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """One decoded picture: its number, its time after the first one in seconds, and its PyAV frame."""

    index: int
    second: Fraction
    frame: Any

    @property
    def luma(self) -> Luma:
        """Samples of the first plane brought to 8 bits, ``[H, W]``, as stored."""
        plane = self.frame.planes[0]
        bits = self.frame.format.components[0].bits
        rows = np.frombuffer(plane, np.dtype("<u2") if bits > 8 else np.uint8).reshape(plane.height, -1)
        inside = rows[:, : plane.width]
        return np.asarray(inside >> (bits - 8), np.uint8)

    @property
    def bgr(self) -> Luma:
        """``[H, W, 3]``, as stored (not turned)."""
        return np.asarray(self.frame.to_ndarray(format="bgr24"), np.uint8)


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A true box of which less than the wanted share is painted."""

    frame: int
    kind: str
    label: str
    share: float


@dataclass(frozen=True, slots=True)
class StillThere:
    """What the second look saw on a frame: a face on a true face, or a planted text that can be read."""

    frame: int
    kind: str
    what: str
    by: str


def pictures(video: Path) -> Iterator[Shown]:
    """Every picture of the first video stream, in presentation order."""
    with av.open(str(video)) as container:
        first: int | None = None
        for index, frame in enumerate(container.decode(video=0)):
            assert frame.pts is not None
            assert frame.time_base is not None
            first = frame.pts if first is None else first
            yield Shown(index, (frame.pts - first) * frame.time_base, frame)


def wrong_times(truth: SampleTruth, video: Path) -> list[int]:
    """Frames that are missing, too many or not shown exactly when the truth says; empty means exact."""
    wanted = [(tick - truth.ticks[0]) * truth.time_base for tick in truth.ticks]
    found = [picture.second for picture in pictures(video)]
    length = max(len(wanted), len(found))
    return [n for n in range(length) if n >= len(wanted) or n >= len(found) or wanted[n] != found[n]]


def painted_share(luma: Luma, box: TrueBox, *, fill_luma: int = BLACK_LUMA, tolerance: int = 3) -> float:
    """Share of the pixels that the box touches whose luma is the fill's; x264 keeps flat areas within 3."""
    x0, y0, x1, y1 = box.box
    part = luma[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)].astype(np.int16)
    return float(np.mean(np.abs(part - fill_luma) <= tolerance)) if part.size else 1.0


def uncovered(
    truth: SampleTruth, video: Path, *, kind: str | None = None, least: float = 0.99, fill_luma: int = BLACK_LUMA
) -> list[Uncovered]:
    """Every true box, of every frame, that is painted to less than ``least``. ``AssertionError`` when frames miss."""
    found, seen = [], 0
    for picture in pictures(video):
        seen += 1
        luma = picture.luma
        for box in truth.frames[picture.index]:
            share = painted_share(luma, box, fill_luma=fill_luma)
            if share < least and kind in (None, box.kind):
                found.append(Uncovered(picture.index, box.kind, box.label, round(share, 3)))
    assert seen == len(truth.frames), f"{seen} frames instead of {len(truth.frames)}"
    return found


class Reader(Protocol):
    """What the judge needs of a text reader: one string per box."""

    @property
    def model(self) -> ModelFacts: ...

    def read_text(self, picture: Luma, boxes: Sequence[tuple[float, float, float, float]]) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Judge:
    """The second look: every face detector there is, and a reader of what text is left."""

    faces: tuple[Detector, ...]
    text: Detector
    reader: Reader

    @classmethod
    def of(cls, models_dir: Path, repository: Path, *, threads: int = 2) -> Judge:
        """From materialised models. Raises ``ModelMissing`` without them."""
        session = OnnxRuntimeSession(models_dir, threads, 60.0)
        build: Callable[..., Detector] = build_detector
        first = build(Role.FACE, session=session, repository=repository, floor_score=0.5)
        second = build(Role.FACE, session=session, repository=repository, purpose="residual", floor_score=0.5)
        text = build(Role.TEXT, session=session, repository=repository, floor_score=0.3)
        return cls((first, second), text, build_reader(session=session, repository=repository))

    def look(self, truth: SampleTruth, video: Path, *, every: int = 1, read_every: int = 1) -> list[StillThere]:
        """What can still be seen on every ``every``-th frame of the output, or read on every ``read_every``-th of
        these; empty means hidden.
        """
        found: list[StillThere] = []
        for picture in pictures(video):
            if picture.index % every == 0:
                found += self._seen_faces(truth, picture)
            if picture.index % (every * read_every) == 0:
                found += self._read_words(truth, picture)
        return found

    def _seen_faces(self, truth: SampleTruth, picture: Shown) -> Iterator[StillThere]:
        boxes = [box for box in truth.frames[picture.index] if box.kind == "face"]
        for detector in self.faces:
            for hit in detector.detect([picture.bgr], [picture.index])[0]:
                seen = (hit.x0, hit.y0, hit.x1, hit.y1)
                for box in boxes:
                    if is_on(seen, box.box):
                        yield StillThere(picture.index, "face", box.label, detector.model.name)

    def _read_words(self, truth: SampleTruth, picture: Shown) -> Iterator[StillThere]:
        bgr = picture.bgr
        places = [box.box for box in truth.frames[picture.index] if box.kind == "text"]
        places += [(hit.x0, hit.y0, hit.x1, hit.y1) for hit in self.text.detect([bgr], [picture.index])[0]]
        for words in self.reader.read_text(bgr, places):
            for planted in truth.burned_in:
                if distance_inside(planted, words) <= 2:
                    yield StillThere(picture.index, "text", planted, self.reader.model.name)


def is_on(hit: Sequence[float], true: Sequence[float]) -> bool:
    """Any common pixel counts."""
    return _common(hit, true) > 0


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return wide * tall if wide > 0 and tall > 0 else 0.0
