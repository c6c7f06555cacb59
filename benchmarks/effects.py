"""What can still be read, found or matched in a region at which strength of a cosmetic effect."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.machine import ROOT, versions
from opendrape.domain.mask_rule import Effect
from opendrape.domain.policy import Role
from opendrape.settings import shipped
from opendrape_masker.detectors import Detector, TextReader, build_detector, build_reader
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.effects import cell_grid, cell_tones, enlarged, repainted
from opendrape_masker.engine.pictures import Array
from opendrape_masker.inference.session import OnnxRuntimeSession
from tests.synthetic.judge import is_on

FACE_IN_PHOTOGRAPH = (178.0, 74.0, 272.0, 180.0)  # of scikit-image's `astronaut` (NASA, public domain)
STRONG_SCORE = 0.5  # the lowest at which a shipped policy takes a detection for a face by itself
READABLE = 3  # characters in a row
GALLERY = 100  # faces of scikit-image's excerpt of Labeled Faces in the Wild
# a region around the letters as tight as can be, and one with a margin; the last two fill a picture of 4K
LINES = (
    *product(("PATIENT: MUSTERMANN", "ID 55102938", "Hansen, Mette"), (3, 20), (32, 56, 100, 180)),
    *product(("K7B42",), (3, 20), (320, 620)),
)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
REGIONS = (33, 64, 128, 256, 512, 1440)  # the last fills a picture of 4K
_CELLS = (1, 2, 3, 4, 6, 8, 12)
_OUT = ROOT / "docs" / "benchmarks"

Change = Callable[[Array], Array]
"""What is done to the samples of a region, ``[rows, columns, planes]``."""


@dataclass(frozen=True)
class Eyes:
    """Both face detectors and the reader."""

    faces: tuple[Detector, Detector]
    reader: TextReader

    @classmethod
    def of(cls, models_dir: Path) -> Eyes:
        """From materialised models. Raises ``ModelMissing`` without them."""
        session = OnnxRuntimeSession(models_dir, 1, 60.0)
        repository = shipped("model_repository")
        first = build_detector(Role.FACE, session=session, repository=repository, floor_score=0.3)
        second = build_detector(Role.FACE, session=session, repository=repository, purpose="residual", floor_score=0.3)
        return cls((first, second), build_reader(session=session, repository=repository))

    def best_face(self, picture: Array, face: Sequence[float]) -> float:
        """The best score of anything that either detector takes for the face, at two sizes."""
        best = 0.0
        for long_side in (320, 640):
            scale = long_side / max(picture.shape[:2])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            there = [edge * scale for edge in face]
            for detector in self.faces:
                hits = detector.detect([np.asarray(small, np.uint8)], [0])[0]
                best = max([best, *(h.score for h in hits if is_on((h.x0, h.y0, h.x1, h.y1), there))])
        return best

    def reads(self, line: Array, truth: str) -> bool:
        """True when the reader gets a few characters in a row right."""
        height, width = line.shape[:2]
        (text,) = self.reader.read_text(np.asarray(line, np.uint8), [(0, 0, width, height)])
        mine, theirs = _letters(text), _letters(truth)
        match = SequenceMatcher(None, mine, theirs, autojunk=False).find_longest_match()
        return match.size >= READABLE


def in_place(part: Array, cells: int, *, smooth: bool) -> Array:
    """The weaker layer alone: cells that stay where they were, as a plain mosaic or blur leaves them."""
    grid = cell_grid(part.shape[1], part.shape[0], cells)
    planes = [cell_tones(np.ascontiguousarray(part[..., n]), None, grid) for n in range(part.shape[2])]
    return np.dstack([enlarged(tones.round().astype(np.uint8), part.shape[:2], smooth=smooth) for tones in planes])


def written(text: str, font: int, *, margin: int, tall: int) -> Array:
    """One line of bright letters, ``tall`` pixels with its margin, which is given for letters of 66."""
    (wide, high), _ = cv2.getTextSize(text, font, 3.0, 6)
    line = np.full((high + 2 * margin + 6, wide + 2 * margin, 3), 40, np.uint8)
    cv2.putText(line, text, (margin, high + margin + 3), font, 3.0, (240, 240, 240), 6, cv2.LINE_AA)
    scale = tall / line.shape[0]
    return np.asarray(cv2.resize(line, (round(line.shape[1] * scale), tall), interpolation=cv2.INTER_AREA))


def portrait(photographs: Any, region: int, grow: float) -> tuple[Array, Box, tuple[float, ...]]:
    """The photograph so large that the face's region is ``region`` pixels wide: picture, region, face."""
    x0, y0, x1, y1 = FACE_IN_PHOTOGRAPH
    scale = region / ((x1 - x0) * (1 + 2 * grow))
    around = photographs.astronaut()[0:360, 60:400, ::-1]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(around, None, fx=scale, fy=scale, interpolation=kind))
    face = Box((x0 - 60) * scale, y0 * scale, (x1 - 60) * scale, y1 * scale)
    box = face.grown(grow).clipped(picture.shape[1], picture.shape[0])
    assert box is not None
    return np.ascontiguousarray(picture[:2160]), box, face.corners


def likeness(pictures: Sequence[Array], across: int) -> Array:
    """Each picture as ``across`` x ``across`` means without brightness and contrast: rows of unit length, or zero."""
    small = [cv2.resize(p, (across, across), interpolation=cv2.INTER_AREA).astype(float).ravel() for p in pictures]
    centred = np.array([row - row.mean() for row in small])
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(length > 1e-6, length, 1.0))


def ranks(hidden: Sequence[Array], known: Sequence[Array], across: int) -> Array:
    """How many known faces are more like each hidden one than its own original; ties count half."""
    similar = likeness(hidden, across) @ likeness(known, across).T
    own = np.diag(similar)[:, None]
    return np.asarray((similar > own + 1e-9).sum(1) + ((np.abs(similar - own) <= 1e-9).sum(1) - 1) / 2)


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def same_brightness(hidden: Sequence[Array], known: Sequence[Array]) -> int:
    """How many hidden faces are nearest to their own original by mean brightness alone."""
    mine, theirs = (np.array([picture.mean() for picture in pictures]) for pictures in (hidden, known))
    return int((np.abs(mine[:, None] - theirs).argmin(axis=1) == np.arange(len(mine))).sum())


def known_faces(photographs: Any) -> list[Array]:
    """The gallery, gray, 25 x 25. ``photographs``: the module ``skimage.data``."""
    return [np.asarray(face * 255, np.uint8) for face in photographs.lfw_subset()[:GALLERY]]


def left_in_place(cells: int, *, smooth: bool) -> Change:
    """The weaker layer alone."""
    return lambda part: in_place(part, cells, smooth=smooth)


def rearranged(effect: Effect, cells: int) -> Change:
    """The effect as it is painted."""
    return lambda part: np.dstack(
        [
            repainted(
                np.ascontiguousarray(part[..., n]),
                None,
                effect,
                grid=cell_grid(part.shape[1], part.shape[0], cells),
                number=0,
                unit=1,
            )
            for n in range(part.shape[2])
        ]
    )


def figures(eyes: Eyes, photographs: Any, change: Change) -> tuple[str, str, str, str]:
    """Lines read, best score of a face, and of a hundred faces those matched by likeness and by brightness alone."""
    lines = [(text, written(text, FONTS[0], margin=margin, tall=tall)) for text, margin, tall in LINES]
    read = sum(eyes.reads(change(line), text) for text, line in lines)
    best = 0.0
    for region in REGIONS[:-1]:
        picture, box, face = portrait(photographs, region, 0.2)
        rows, columns = slice(round(box.y0), round(box.y1)), slice(round(box.x0), round(box.x1))
        picture[rows, columns] = change(picture[rows, columns])
        best = max(best, eyes.best_face(picture, face))
    faces = known_faces(photographs)
    large = [cv2.resize(face, (256, 256), interpolation=cv2.INTER_CUBIC) for face in faces]
    hidden = [change(np.asarray(face)[..., None])[..., 0] for face in large]
    matched = int((ranks(hidden, faces, 8) < 1).sum())
    return f"{read} of {len(lines)}", f"{best:.2f}", f"{matched}", f"{same_brightness(hidden, large)}"


def report(rows: Sequence[Sequence[str]]) -> str:
    """The page ``docs/benchmarks/effects.md``."""
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    head = ("cells across", "what", "lines read", "best face score", "matched by likeness", "by brightness")
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    return (
        "# Cosmetic effects\n\nWritten by `python -m benchmarks.effects`; do not edit. What is still there in a\n"
        "region of 32 to 620 pixels by cells across its shorter side. In place: a plain mosaic or blur; else\n"
        f"as painted. A line is read when {READABLE} characters in a row are right; a face is found from\n"
        f"{STRONG_SCORE} on. Matched: of {GALLERY} faces, how often the likest known one is the original; chance\n"
        "finds one.\n"
        f"\nVersions: {used}.\n\n{table}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models", help="materialised models")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for effects.md")
    options = parser.parse_args(arguments)
    from skimage import data as photographs  # the extra `sample`

    eyes, rows = Eyes.of(options.models), []
    for cells in _CELLS:
        for effect in (Effect.PIXELATE, Effect.BLUR, Effect.NORMALISED_GRAY_BLUR):
            if effect is not Effect.NORMALISED_GRAY_BLUR:
                plain = left_in_place(cells, smooth=effect is Effect.BLUR)
                rows.append((str(cells), f"{effect} in place", *figures(eyes, photographs, plain)))
            rows.append((str(cells), str(effect), *figures(eyes, photographs, rearranged(effect, cells))))
            print(*rows[-1], sep=" | ", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "effects.md").write_text(report(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
