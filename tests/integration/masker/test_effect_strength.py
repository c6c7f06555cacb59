"""V-07: at the weakest strength that a policy may ask for, nobody is read, found or matched, from 32 pixels to 4K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from opendrape.domain.mask_rule import MOST_CELLS_ACROSS, Effect, MaskRule, Shape
from opendrape.domain.policy import Role
from opendrape.media.reader import Picture
from opendrape.settings import shipped
from opendrape_masker.detectors import Detector, TextReader, build_detector, build_reader
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.effects import cell_grid, cell_tones, enlarged, repainted
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import Array
from opendrape_masker.engine.regions import Target
from opendrape_masker.inference.session import OnnxRuntimeSession
from tests.fakes.frames import facts
from tests.synthetic.judge import is_on

data = pytest.importorskip("skimage.data", reason="the extra `sample` is not installed")

COSMETIC = [effect for effect in Effect if effect.is_cosmetic]
FACE_IN_PHOTOGRAPH = (178.0, 74.0, 272.0, 180.0)
STRONG_SCORE = 0.5  # the lowest at which a shipped policy takes a detection for a face by itself
READABLE = 3  # characters in a row
GALLERY = 100


@dataclass(frozen=True)
class Eyes:
    """Both face detectors and the reader."""

    faces: tuple[Detector, Detector]
    reader: TextReader

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


@pytest.fixture(scope="module")
def eyes(models_dir: Path) -> Eyes:
    session = OnnxRuntimeSession(models_dir, 1, 60.0)
    repository = shipped("model_repository")
    first = build_detector(Role.FACE, session=session, repository=repository, floor_score=0.3)
    second = build_detector(Role.FACE, session=session, repository=repository, purpose="residual", floor_score=0.3)
    return Eyes((first, second), build_reader(session=session, repository=repository))


def painted(picture: Array, box: Box, effect: Effect, shape: Shape = Shape.BOX) -> Array:
    """The BGR picture, painted as video: through Y, U and V with halved chroma."""
    height, width = picture.shape[:2]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24").reformat(format="yuv420p")
    painter = Painter.of(MaskRule(effect=effect, shape=shape, dilate_pixels=0), facts(width, height))
    (done,) = painter.paint(Picture(frame, index=0, tick=0), painter.rectangles([Target(box, "face")]))
    assert not done.rect.must_be_solid
    assert painter.coat_of(done.rect).effect is effect
    return np.asarray(frame.to_ndarray(format="bgr24"))


def in_place(part: Array, cells: int, *, smooth: bool) -> Array:
    """The weaker layer alone: cells that stay where they were, as a plain mosaic or blur leaves them."""
    grid = cell_grid(part.shape[1], part.shape[0], cells)
    planes = [cell_tones(np.ascontiguousarray(part[..., n]), None, grid) for n in range(part.shape[2])]
    return np.dstack([enlarged(tones.round().astype(np.uint8), part.shape[:2], smooth=smooth) for tones in planes])


# --- text


def written(text: str, font: int, *, margin: int, tall: int) -> Array:
    """One line of bright letters, ``tall`` pixels with its margin, which is given for letters of 66."""
    (wide, high), _ = cv2.getTextSize(text, font, 3.0, 6)
    line = np.full((high + 2 * margin + 6, wide + 2 * margin, 3), 40, np.uint8)
    cv2.putText(line, text, (margin, high + margin + 3), font, 3.0, (240, 240, 240), 6, cv2.LINE_AA)
    scale = tall / line.shape[0]
    return np.asarray(cv2.resize(line, (round(line.shape[1] * scale), tall), interpolation=cv2.INTER_AREA))


# a region around the letters as tight as can be, and one with a margin; the last two fill a picture of 4K
LINES = [
    *product(("PATIENT: MUSTERMANN", "ID 55102938", "Hansen, Mette"), (3, 20), (32, 56, 100, 180)),
    *product(("K7B42",), (3, 20), (320, 620)),
]


@pytest.mark.models
@pytest.mark.parametrize("effect", COSMETIC)
def test_no_text_can_be_read(eyes: Eyes, effect: Effect) -> None:
    """V-07: in two type faces, region tight and loose, letters of 32 pixels to a picture's whole width."""
    for (text, margin, tall), font in product(LINES, (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)):
        line = written(text, font, margin=margin, tall=tall)
        framed = cv2.copyMakeBorder(line, 8, 8, 8, 8, cv2.BORDER_REPLICATE)
        box = Box(8, 8, 8 + line.shape[1], 8 + line.shape[0])
        hidden = painted(framed, box, effect)[8:-8, 8:-8]
        assert not eyes.reads(hidden, text), (text, margin, tall)


@pytest.mark.models
def test_the_reader_reads_what_is_open_and_what_a_weaker_effect_leaves(eyes: Eyes) -> None:
    """V-07: the test above can fail; and the strength alone, without rearranging, already hides text."""
    for (text, margin, tall), smooth in product(LINES, (False, True)):
        line = written(text, cv2.FONT_HERSHEY_SIMPLEX, margin=margin, tall=tall)
        assert eyes.reads(line, text)
        assert eyes.reads(in_place(line, 12, smooth=smooth), text)
        assert not eyes.reads(in_place(line, MOST_CELLS_ACROSS, smooth=smooth), text)


# --- faces


def portrait(region: int, grow: float) -> tuple[Array, Box, tuple[float, ...]]:
    """The photograph so large that the face's region is ``region`` pixels wide: picture, region, face."""
    x0, y0, x1, y1 = FACE_IN_PHOTOGRAPH
    scale = region / ((x1 - x0) * (1 + 2 * grow))
    around = data.astronaut()[0:360, 60:400, ::-1]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(around, None, fx=scale, fy=scale, interpolation=kind))
    face = Box((x0 - 60) * scale, y0 * scale, (x1 - 60) * scale, y1 * scale)
    box = face.grown(grow).clipped(picture.shape[1], picture.shape[0])
    assert box is not None
    height = min(picture.shape[0], 2160)
    return picture[:height], box, face.corners


REGIONS = (33, 64, 128, 256, 512, 1440)  # the last fills a picture of 4K


@pytest.mark.models
@pytest.mark.parametrize(("effect", "shape"), list(product(COSMETIC, Shape)))
def test_no_face_is_found(eyes: Eyes, effect: Effect, shape: Shape) -> None:
    """V-07: by neither detector, at two sizes of looking; the region is larger than the face, as policies make it."""
    for region in REGIONS if shape is Shape.BOX else (64, 512):
        picture, box, face = portrait(region, 0.2)
        assert eyes.best_face(painted(picture, box, effect, shape), face) < STRONG_SCORE, region


@pytest.mark.models
def test_the_detectors_find_what_is_open_and_what_a_weaker_effect_leaves(eyes: Eyes) -> None:
    """V-07: the test above can fail; and the strength alone, without rearranging, already hides a face."""
    for region in REGIONS:
        picture, box, face = portrait(region, 0.2)
        assert eyes.best_face(picture, face) > STRONG_SCORE
        rows, columns = slice(round(box.y0), round(box.y1)), slice(round(box.x0), round(box.x1))
        for cells, is_found in ((12, True), (MOST_CELLS_ACROSS, False)):
            blurred = picture.copy()
            blurred[rows, columns] = in_place(picture[rows, columns], cells, smooth=True)
            assert (eyes.best_face(blurred, face) >= STRONG_SCORE) is is_found, (region, cells)


# --- matching


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


@pytest.mark.parametrize(("effect", "region"), list(product(COSMETIC, (32, 256, 2000))))
def test_no_face_is_matched_to_its_own_original_better_than_by_chance(effect: Effect, region: int) -> None:
    """V-07: nearest neighbour among a hundred faces, the very same picture among them, at three sizes of comparison."""
    faces = [np.asarray(face * 255, np.uint8) for face in data.lfw_subset()[:GALLERY]]
    large = [np.asarray(cv2.resize(f, (region, region), interpolation=cv2.INTER_CUBIC)) for f in faces]
    grid = cell_grid(region, region, MOST_CELLS_ACROSS)
    hidden = [repainted(f, None, effect, grid=grid, number=0, unit=1) for f in large]
    for across in (4, 8, 16):
        found = ranks(hidden, faces, across)
        assert (found < 1).sum() <= 4  # chance finds one; five or more happen once in 300
        assert abs(found.mean() - (GALLERY - 1) / 2) < 9  # three standard errors


def test_cells_that_stay_in_place_are_matched() -> None:
    """V-07: the test above can fail: this is why cells are rearranged."""
    faces = [np.asarray(face * 255, np.uint8) for face in data.lfw_subset()[:GALLERY]]
    large = [np.asarray(cv2.resize(f, (256, 256), interpolation=cv2.INTER_CUBIC)) for f in faces]
    for cells, least in ((MOST_CELLS_ACROSS, 5), (4, 60)):
        hidden = [in_place(f[..., None], cells, smooth=True)[..., 0] for f in large]
        assert (ranks(hidden, faces, 8) < 1).sum() >= least


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
