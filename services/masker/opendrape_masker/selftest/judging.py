"""Whether every inserted box is masked in the result, frame by frame, by its pixels alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from opendrape_masker.selftest.verdicts import MOST_FRAMES_LISTED, EventVerdict
from opendrape_masker.synthetic.appearance import SMALLEST_FACE_PIXELS, SMALLEST_TEXT_PIXELS, Appearance
from opendrape_masker.synthetic.picture import Array
from opendrape_masker.synthetic.suite import SuiteTruth
from opendrape_masker.synthetic.truth import TrueBox

COVERED_SHARE: Final = 0.9
LEAST_VISIBLE: Final = 0.5
_PAINTED: Final = 12  # levels of luma around the fill: what lossy coding does to a flat area
_TELLING: Final = 24  # a pixel that was nearer to the fill before proves nothing
_LUCK: Final = 0.5
_CONTROL_SECONDS: Final = 1.5  # longer than masks are held
_THIN: Final = 4  # every fourth pixel is enough for a share of the picture

Place = tuple[float, float, float, float]


@dataclass
class Judge:
    """Fed with the luma of each frame before and after masking; ``fill`` is the painted luma, all at 8 bits.

    ``gaps`` says per kind how many seconds may lie between two looks (V-02); no rule, no excuse.
    """

    truth: SuiteTruth
    fill: int
    gaps: dict[str, float]
    _shown: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    _elsewhere: list[float] = field(default_factory=list)
    _lucky: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._controls = _controls(self.truth)

    def see(self, frame: int, before: Array, after: Array) -> None:
        """Judge one frame; ``[H, W]`` uint8 both."""
        boxes = self.truth.frames[frame]
        for box in boxes:
            if box.visible >= LEAST_VISIBLE:
                covered = masked_share(before, after, box.box, fill=self.fill) >= COVERED_SHARE
                self._shown.setdefault(box.label, []).append((frame, covered))
        for name, place in self._controls.get(frame, ()):
            if masked_share(before, after, place, fill=self.fill) >= _LUCK:
                self._lucky.add(name)
        self._elsewhere.append(_masked_elsewhere(before, after, boxes, self.fill))

    @property
    def masked_elsewhere(self) -> float:
        """Mean share of the picture that is masked though nothing was inserted near it."""
        return round(float(np.mean(self._elsewhere)), 5) if self._elsewhere else 0.0

    def verdicts(self) -> Iterator[EventVerdict]:
        """One per appearance that was ever half inside the picture."""
        for one in self.truth.appearances:
            for number, run in enumerate(_runs(self._shown.get(one.name, []))):
                yield self._verdict(one, run, number)

    def _verdict(self, one: Appearance, run: list[tuple[int, bool]], number: int) -> EventVerdict:
        missed = tuple(frame for frame, covered in run if not covered)
        return EventVerdict(
            name=f"{one.name}.{number}" if number else one.name,
            kind=one.kind,
            look=one.look,
            course=one.course,
            size=one.size_class(),
            tall=round(one.middle.tall, 1),
            start_frame=run[0][0],
            frames=len(run),
            covered=len(run) - len(missed),
            missed_frames=missed[:MOST_FRAMES_LISTED],
            promised=self._is_promised(one, len(run)),
            lucky=one.name in self._lucky,
        )

    def _is_promised(self, one: Appearance, frames: int) -> bool:
        smallest = SMALLEST_FACE_PIXELS if one.kind == "face" else SMALLEST_TEXT_PIXELS
        long_enough = frames / float(self.truth.rate) >= self.gaps.get(one.kind, 0.0)
        return long_enough and int(one.size_class().partition("-")[0]) >= smallest


def _controls(truth: SuiteTruth) -> dict[int, list[tuple[str, Place]]]:
    """Frames well before and after each appearance, with the place where it begins or ends.

    A place that is masked then too (a false find, a fixed region) hides whatever comes there by luck.
    """
    away = round(_CONTROL_SECONDS * float(truth.rate))
    shown: dict[str, list[tuple[int, Place]]] = {}
    for frame, boxes in enumerate(truth.frames):
        for box in boxes:
            if box.visible >= LEAST_VISIBLE:
                shown.setdefault(box.label, []).append((frame, box.box))
    controls: dict[int, list[tuple[str, Place]]] = {}
    for name, places in shown.items():
        for frame, place in ((places[0][0] - away, places[0][1]), (places[-1][0] + away, places[-1][1])):
            controls.setdefault(frame, []).append((name, place))
    return controls


def masked_share(before: Array, after: Array, box: Sequence[float], *, fill: int) -> float:
    """Share of the box's telling pixels that have the fill's luma afterwards; 1.0 when none tells anything."""
    x0, y0, x1, y1 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    was, now = (plane[y0:y1, x0:x1].astype(np.int16) - fill for plane in (before, after))
    telling = np.abs(was) > _TELLING
    return float(np.mean(np.abs(now[telling]) <= _PAINTED)) if telling.any() else 1.0


def _masked_elsewhere(before: Array, after: Array, boxes: Sequence[TrueBox], fill: int) -> float:
    was, now = (plane[::_THIN, ::_THIN].astype(np.int16) - fill for plane in (before, after))
    painted = (np.abs(now) <= _PAINTED) & (np.abs(was) > _TELLING)
    for box in boxes:
        x0, y0, x1, y1 = box.reach
        across, down = (x1 - x0) // 4, (y1 - y0) // 4
        painted[
            max(0, y0 - down) // _THIN : (y1 + down) // _THIN, max(0, x0 - across) // _THIN : (x1 + across) // _THIN
        ] = 0
    return float(painted.mean())


def _runs(shown: Sequence[tuple[int, bool]]) -> Iterator[list[tuple[int, bool]]]:
    """Continuous appearances: a frame without it ends one."""
    run: list[tuple[int, bool]] = []
    for entry in shown:
        if run and entry[0] != run[-1][0] + 1:
            yield run
            run = []
        run.append(entry)
    if run:
        yield run
