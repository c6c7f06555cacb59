"""Labels out of focus: how many are hidden, by blur, looking at 960 pixels and at 480 too.

Drawn on a shaded cloth with letters of known height; ``blur`` is the spread of the lens in heights of a letter. At
0.25 people still read most of it: what is not hidden there is a leak. The detector and the reader are the engine's own;
nothing is linked over time. The models are those that ``python -m benchmarks.selftest`` brought.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.machine import ROOT, machine, versions
from opendrape.domain.policy import Role
from opendrape.settings import Settings
from opendrape_masker.detectors import Detection, Detector, Picture, build_detector, build_reader
from opendrape_masker.detectors.legible import LegibleText
from opendrape_masker.inference.session import OnnxRuntimeSession

LINES: Final = ("Maria Schneider", "ID 4711 0815", "12.03.1974", "Ward 7 Weber", "Cholecystectomy")
_STATE: Final = ROOT / ".cache" / "selftest-state"
_OUT: Final = ROOT / "docs" / "benchmarks"
_SIZE: Final = (960, 540)
_TALL: Final = (12, 16, 20, 28, 40, 60)
_BLURS: Final = (0.1, 0.15, 0.18, 0.2, 0.22, 0.25)
_HIDDEN: Final = 0.5  # of the label's area: masks of single lines leave the space between them
_FLOOR, _SURE = 0.5, 0.8  # of the shipped policies
Rect = tuple[int, int, int, int]


@dataclass(frozen=True)
class Count:
    """Labels of one blur, and how many of them are hidden."""

    blur: float
    labels: int
    large: int
    both: int


def label(tall: int, lines: int, blur: float) -> tuple[Picture, Rect]:
    """A picture of 960 x 540 with a label, and its place (x0, y0, x1, y1); letters are ``tall`` pixels high."""
    shade = cv2.resize(np.random.default_rng(7).uniform(0, 40, (9, 16)).astype(np.float32), _SIZE)
    picture = np.stack([60 + shade, 50 + shade, 140 + shade], axis=2).astype(np.uint8)
    scale, thick = tall / 22, max(1, round(tall / 9))
    wide = max(cv2.getTextSize(line, 0, scale, thick)[0][0] for line in LINES[:lines])
    x0, y0, x1, y1 = 150, 100, 150 + wide + tall, 100 + int(tall * (1.2 * lines + 0.8))
    cv2.rectangle(picture, (x0, y0), (x1, y1), (230, 230, 230), -1)
    for row, line in enumerate(LINES[:lines]):
        place = (x0 + tall // 2, y0 + int(tall * (1.4 + 1.2 * row)))
        cv2.putText(picture, line, place, 0, scale, (20, 20, 20), thick, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur * tall), np.uint8), (x0, y0, x1, y1)


def covered(place: Rect, hits: Sequence[Detection]) -> float:
    """Share of a place that lies under hits."""
    x0, y0, x1, y1 = place
    hidden = np.zeros((y1 - y0, x1 - x0), bool)
    for hit in hits:
        left, top, right, bottom = (max(0, int(edge)) for edge in (hit.x0 - x0, hit.y0 - y0, hit.x1 - x0, hit.y1 - y0))
        hidden[top:bottom, left:right] = True
    return float(hidden.mean())


def measure(text: Detector) -> Iterator[Count]:
    """Every blur, labels of all heights with one to five lines."""
    for blur in _BLURS:
        large = both = labels = 0
        for tall in _TALL:
            for lines in (1, 2, 3, 5):
                picture, place = label(tall, lines, blur)
                half = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
                hits, small = text.detect([picture], [0])[0], [_doubled(hit) for hit in text.detect([half], [0])[0]]
                labels += 1
                large += covered(place, hits) > _HIDDEN
                both += covered(place, [*hits, *small]) > _HIDDEN
        yield Count(blur, labels, large, both)


def _doubled(hit: Detection) -> Detection:
    return replace(hit, x0=2 * hit.x0, y0=2 * hit.y0, x1=2 * hit.x1, y1=2 * hit.y1)


def report(unread: Sequence[Count], read: Sequence[Count]) -> str:
    """The page ``docs/benchmarks/labels.md``."""
    rows = [
        f"| {now.blur} | {now.labels} | {before.large} | {now.large} | {now.both} |"
        for before, now in zip(unread, read, strict=True)
    ]
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    return (
        "# Labels out of focus\n\nWritten by `python -m benchmarks.labels`; do not edit. Labels of one to five lines,\n"
        "letters 12 to 60 pixels high in a picture of 960 x 540; blur is the lens's spread in heights of a letter.\n"
        "Hidden: more than half of the label's area is a text hit that counts, in one look, nothing linked. Policies\n"
        "look at 960 pixels, `full` at 480 too. As one line: every hit is read as one line, as it was done before.\n"
        f"\nMachine: {', '.join(f'{name} {value}' for name, value in machine().items())}.\n\nVersions: {used}.\n\n"
        "| blur | labels | 960, as one line | 960 | 960 and 480 |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


@dataclass(frozen=True)
class OneLine(LegibleText):
    """What was done before: every doubtful hit is read as one line, a sure one of any size counts unread."""

    def _is_sure(self, _picture: Picture, hit: Detection) -> bool:
        return hit.score >= self.sure_score

    def _is_block(self, _picture: Picture, _hit: Detection) -> bool:
        return False


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for labels.md")
    options = parser.parse_args(arguments)
    settings = Settings(state_dir=_STATE)
    session = OnnxRuntimeSession(settings.models_dir.absolute(), threads=2, deadline_seconds=60)
    repository = tuple(path.absolute() for path in settings.model_repository)
    found = build_detector(Role.TEXT, session=session, repository=repository, floor_score=_FLOOR)
    reader = build_reader(session=session, repository=repository)
    page = report(*(list(measure(kind(found, reader, _SURE))) for kind in (OneLine, LegibleText)))
    (options.out / "labels.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
