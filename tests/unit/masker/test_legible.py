"""V-04: doubtful text counts when something can be read in it, upright, turned or slanted; sure text always counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape_masker.detectors import Picture
from opendrape_masker.detectors.legible import LegibleText
from opendrape_masker.detectors.reading import Box, ReadLine
from tests.fakes.detectors import ScriptedDetector

SIZE = (96, 64)
PICTURE = np.zeros((64, 96, 3), np.uint8)
PLACE = (20.0, 10.0, 60.0, 30.0)


@dataclass
class Says:
    """Reads one line after the other, then nothing."""

    lines: list[ReadLine]
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        self.shapes.append(picture.shape[:2])
        return [self.lines.pop(0) if self.lines else ReadLine("")]


def kept(score: float, *lines: ReadLine) -> bool:
    inner = ScriptedDetector({0: [(*PLACE, score)]}, SIZE, role=Role.TEXT)
    return bool(LegibleText(inner, Says(list(lines)), 0.8).detect([PICTURE], [0])[0])


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (ReadLine("DOE", 0.7), True),
        (ReadLine("DOE", 0.6), False),
        (ReadLine("12", 0.95), True),
        (ReadLine("12", 0.85), False),
        (ReadLine("4", 0.99), False),
        (ReadLine("---", 0.99), False),
        (ReadLine(""), False),
    ],
)
def test_a_doubtful_hit_counts_when_it_says_something(line: ReadLine, counts: bool) -> None:
    """V-04: three characters, or two clear ones; strokes and single characters are folds and reflexes."""
    assert kept(0.79, line) is counts


def test_what_the_detector_is_sure_of_is_not_read() -> None:
    """V-04: unreadable text is text."""
    assert kept(0.8)


@pytest.mark.parametrize("turn", range(7))
def test_every_angle_is_tried(turn: int) -> None:
    """V-04: text on a wrist band stands as it stands."""
    assert kept(0.5, *[ReadLine("")] * turn, ReadLine("DOE JANE", 0.9))


@pytest.mark.parametrize("angle", [-60, -30, 30, 60])
def test_a_slanted_line_is_laid_level(angle: int) -> None:
    """V-04: one of the bands holds the line nearly level: its brightness is in few rows."""
    drawn = np.zeros((200, 200, 3), np.uint8)
    drawn[94:106, 20:180] = 255
    turn = cv2.getRotationMatrix2D((100, 100), angle, 1.0)
    picture = np.asarray(cv2.warpAffine(drawn, turn, (200, 200)), np.uint8)
    ys, xs = np.nonzero(picture[:, :, 0])
    inner = ScriptedDetector({0: [(xs.min(), ys.min(), xs.max(), ys.max(), 0.5)]}, (200, 200), role=Role.TEXT)
    level: list[float] = []

    class Looks:
        def read_lines(self, band: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
            bright = (band[:, :, 0] > 128).mean(axis=1)
            level.append(float(bright.max()))
            return [ReadLine("")]

    LegibleText(inner, Looks(), 0.8).detect([picture], [0])
    assert max(level) > 0.4


@dataclass
class OfSeveralLines:
    """Reads ``line`` in bands, and ``whole`` where it is asked for a picture as one line."""

    line: ReadLine
    whole: ReadLine
    bands: int = 0

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        if boxes == [(0, 0, picture.shape[1], picture.shape[0])]:
            return [self.whole]
        self.bands += len(boxes)
        return [self.line] * len(boxes)


@pytest.mark.parametrize(("score", "size"), [(0.5, 0.3), (0.79, 0.3), (0.79, 0.9), (0.95, 0.9)])
def test_several_lines_in_one_hit_count(score: float, size: float) -> None:
    """V-04: a label out of focus is one hit that no reader can read as a line; so is a page that fills the picture."""
    blurred = (10.0, 10.0, 10 + 192 * size, 10 + 128 * size, score)
    inner = ScriptedDetector({0: [blurred]}, (192, 128), role=Role.TEXT)
    reader = OfSeveralLines(ReadLine("SMITH", 0.7), ReadLine("S1", 0.2))
    assert LegibleText(inner, reader, 0.8).detect([np.zeros((128, 192, 3), np.uint8)], [0])[0]


def test_a_hit_as_large_as_the_picture_is_no_text_for_being_sure() -> None:
    """V-04: a smooth picture is no line, however sure the detector is; a line that can be read is one."""
    page = (0.0, 0.0, 96.0, 64.0, 0.95)
    inner = ScriptedDetector({0: [page]}, SIZE, role=Role.TEXT)
    nothing = OfSeveralLines(ReadLine(""), ReadLine(""))
    assert LegibleText(inner, nothing, 0.8).detect([PICTURE], [0]) == [[]]
    assert nothing.bands > 80
    assert LegibleText(inner, Says([ReadLine("OR3", 0.9)]), 0.8).detect([PICTURE], [0])[0]


def test_a_small_sure_hit_counts_unread() -> None:
    """V-04: just under half of the picture's shorter side is a line like any other."""
    for height, counts in ((31.0, True), (32.0, False)):
        inner = ScriptedDetector({0: [(10.0, 10.0, 90.0, 10.0 + height, 0.8)]}, SIZE, role=Role.TEXT)
        assert bool(LegibleText(inner, Says([]), 0.8).detect([PICTURE], [0])[0]) is counts


@pytest.mark.parametrize(("whole", "is_read"), [("", False), ("S", False), ("S1", True)])
def test_where_no_character_is_seen_no_lines_are_sought(whole: str, is_read: bool) -> None:
    """V-04: lines that lie on each other give characters, if doubtful ones; most tissue gives none."""
    inner = ScriptedDetector({0: [(10.0, 10.0, 60.0, 30.0, 0.5)]}, SIZE, role=Role.TEXT)
    reader = OfSeveralLines(ReadLine("SMITH", 0.9), ReadLine(whole, 0.1))
    assert bool(LegibleText(inner, reader, 0.8).detect([PICTURE], [0])[0]) is is_read
    assert bool(reader.bands) is is_read


def test_of_very_many_doubtful_hits_the_surest_count_unread() -> None:
    """V-04: a picture full of texture takes bounded time, and nothing is dropped that was not read."""
    hits = [(20.0, 10.0, 60.0, 25.0, 0.5 + place / 200) for place in range(40)] + [(0.0, 0.0, 9.0, 9.0, 0.9)]
    reader = Says([])
    counting = LegibleText(ScriptedDetector({0: hits}, SIZE, role=Role.TEXT), reader, 0.8).detect([PICTURE], [0])[0]
    assert [round(hit.score, 3) for hit in counting] == [*(round(0.5 + place / 200, 3) for place in range(32, 40)), 0.9]
    assert len(reader.shapes) == 32 * 7


def test_an_empty_hit_is_dropped() -> None:
    """V-04: a box outside the picture says nothing."""
    inner = ScriptedDetector({0: [(200.0, 10.0, 220.0, 30.0, 0.5)]}, SIZE, role=Role.TEXT)
    assert LegibleText(inner, Says([ReadLine("DOE", 0.9)]), 0.8).detect([PICTURE], [0]) == [[]]
