"""How much of each true box an output really hides, by its pixels alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

_COVERED = 0.9
# Both contestants paint black; lossy coding of the peer's ellipse edges needs more room than a flat box.
_BLACK = 16 + 12
_TELLING = 8
Luma = npt.NDArray[np.uint8]
SIZE_CLASSES = ((0, 16), (16, 32), (32, 64), (64, 128), (128, 100_000))


@dataclass(frozen=True, slots=True)
class Target:
    """A true box ``x0, y0, x1, y1`` in pixels of the source, its label and its larger side."""

    box: tuple[float, float, float, float]
    label: str

    @property
    def size(self) -> float:
        """Larger side in pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True)
class Verdict:
    """One true box in one frame of the output."""

    frame: int
    label: str
    size: float
    share: float

    @property
    def covered(self) -> bool:
        """At least 90 % of the box is painted."""
        return self.share >= _COVERED


@dataclass(frozen=True, slots=True)
class Judged:
    """Every true box of a video, and the mean share of its pictures that became black: whoever hides all covers all."""

    found: list[Verdict]
    hidden: float


class NotComparable(Exception):
    """The output has another number of frames than the source; nothing can be said frame by frame."""


def targets(annotation: Path) -> dict[int, list[Target]]:
    """True boxes by frame; optional ones and frames to ignore are left out, texts without identity too."""
    facts = json.loads(annotation.read_text())
    ignored = set(facts.get("ignore_frames", ()))
    frames = {int(number): boxes for number, boxes in facts["frames"].items()}
    return {number: list(_wanted(boxes)) for number, boxes in frames.items() if number not in ignored}


def _wanted(boxes: list[dict[str, Any]]) -> Iterator[Target]:
    for each in boxes:
        label = each.get("label", "text")
        if label != "optional" and each.get("phi", True) and each.get("visible", 1.0) >= 0.5:
            x0, y0, x1, y1 = each["box"]
            yield Target((x0, y0, x1, y1), label)


def judged(source: Path, output: Path, truth: dict[int, list[Target]]) -> Judged:
    """Every true box judged. Raises :class:`NotComparable` when frames were added or lost."""
    found: list[Verdict] = []
    hidden: list[float] = []
    odd = 0
    for number, (before, after) in enumerate(zip_longest(lumas(source), lumas(output))):
        if before is None or after is None:
            odd += 1
            continue
        hidden.append(painted(before, after, (0, 0, before.shape[1], before.shape[0])))
        for target in truth.get(number, ()):
            found.append(Verdict(number, target.label, target.size, painted(before, after, target.box)))
    if odd:
        raise NotComparable(f"{odd} frames added or lost")
    return Judged(found, float(np.mean(hidden)) if hidden else 0.0)


def painted(before: Luma, after: Luma, box: tuple[float, ...]) -> float:
    """Share of the box that became black; pixels that were black before are left out, they prove nothing.

    Sizes may differ: a peer rounds them to multiples of 16.
    """
    across, down = after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]
    columns = np.arange(max(0, math.floor(box[0])), min(before.shape[1], math.ceil(box[2])))
    rows = np.arange(max(0, math.floor(box[1])), min(before.shape[0], math.ceil(box[3])))
    was = before[np.ix_(rows, columns)]
    now = after[np.ix_((rows * down).astype(int), (columns * across).astype(int))]
    telling = was > _BLACK + _TELLING
    return float(np.mean(now[telling] <= _BLACK)) if telling.any() else 1.0


def became_black(before: Luma, after: Luma) -> npt.NDArray[np.bool_]:
    """Pixels that are black now and plainly were not before. ``ValueError`` when the sizes differ."""
    if before.shape != after.shape:
        raise ValueError("the output has another size")
    return (before > _BLACK + _TELLING) & (after <= _BLACK)


def lumas(video: Path) -> Iterator[Luma]:
    """Limited-range 8-bit luma of every picture of the first video stream."""
    with av.open(str(video)) as container:
        stream = next(one for one in container.streams.video if not one.disposition & one.disposition.attached_pic)
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            plane: Any = frame.reformat(format="yuv420p", dst_color_range="MPEG").planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            yield rows[:, : plane.width]
