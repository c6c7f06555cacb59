"""V-04, V-15: several lines that a text detector takes for one are read in bands; what nobody can read is no page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytest

from opendrape.domain.policy import DetectRule, Policy, ResidualRule
from opendrape_masker.detectors import Detector, Picture, TextReader
from opendrape_masker.detectors.allowing import AllowingReader
from opendrape_masker.detectors.blocks import BlockReader, bands
from opendrape_masker.detectors.reading import Box, ReadLine
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.working import Working

PICTURE = np.zeros((540, 960, 3), np.uint8)
LABEL = (100.0, 100.0, 340.0, 160.0)
PAGE = (0.0, 0.0, 960.0, 540.0)
NAME = ReadLine("SMITH", 0.9, 0.8)


@dataclass
class Reads:
    """Answers with what ``says`` makes of the size of the picture and of the box; remembers what it was asked."""

    says: Callable[[tuple[int, ...], Box], ReadLine]
    asked: list[tuple[tuple[int, ...], Box]] = field(default_factory=list)

    def read_text(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        return [line.text for line in self.read_lines(picture, boxes)]

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        self.asked += [(picture.shape[:2], box) for box in boxes]
        return [self.says(picture.shape[:2], box) for box in boxes]


def in_a_band(least: float, most: float, line: ReadLine = NAME) -> Callable[[tuple[int, ...], Box], ReadLine]:
    """Says the line in boxes of this height only."""
    return lambda _, box: line if least <= box[3] - box[1] <= most else ReadLine("")


@pytest.mark.parametrize("count", [2, 3, 5, 8, 12])
@pytest.mark.parametrize("top", [0.0, 0.2, 0.37, 0.5, 0.8])
def test_a_line_lies_whole_in_a_band_wherever_it_stands(count: int, top: float) -> None:
    """V-04: whatever is half as high as a band is inside one of them."""
    line = 60 / count / 2
    start = top * (60 - line)
    assert any(y0 <= start + 1e-9 and start + line <= y1 + 1e-9 for _, y0, _, y1 in bands(240, 60, count))
    assert all(0 <= x0 < x1 <= 240 and 0 <= y0 < y1 <= 60 + 1e-9 for x0, y0, x1, y1 in bands(240, 60, count))


def test_bands_lie_about_the_middle_and_are_short() -> None:
    """V-04: four heights are enough; a reader's time is its line's length."""
    assert bands(400, 40, 2)[0] == (160, 0, 240, 20)
    assert bands(50, 40, 2)[0] == (0, 0, 50, 20)
    assert bands(400, 15, 2) == []


def test_a_line_is_read_once() -> None:
    """V-04: only what says nothing as a line is cut."""
    inner = Reads(lambda _, box: NAME)
    assert BlockReader(inner).read_lines(PICTURE, [LABEL]) == [NAME]
    assert len(inner.asked) == 1


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_label_of_several_lines_is_read(count: int) -> None:
    """V-04: two to about eight lines in one box."""
    inner = Reads(in_a_band(60 / count - 0.1, 60 / count + 0.1))
    assert BlockReader(inner).read_text(PICTURE, [LABEL]) == ["SMITH"]


@pytest.mark.parametrize("count", [2, 3, 5, 8, 12])
def test_a_page_is_read_in_finer_bands(count: int) -> None:
    """V-04: a page that fills the picture."""
    inner = Reads(in_a_band(540 / count - 0.1, 540 / count + 0.1))
    assert BlockReader(inner).read_text(PICTURE, [PAGE]) == ["SMITH"]


def test_a_page_is_read_on_its_side_too_and_a_label_is_not() -> None:
    """V-04: a large box counts only when it can be read, so more is tried."""
    on_its_side = Reads(lambda shape, box: NAME if shape[0] > shape[1] and box[3] - box[1] < 480 else ReadLine(""))
    assert BlockReader(on_its_side).read_text(PICTURE, [PAGE]) == ["SMITH"]
    turned = {shape for shape, _ in on_its_side.asked}
    assert turned == {(540, 960), (960, 540)}
    nothing = Reads(lambda _, box: ReadLine(""))
    assert BlockReader(nothing).read_text(PICTURE, [LABEL]) == [""]
    assert {shape for shape, _ in nothing.asked[1:]} == {(60, 240)}


def test_three_characters_in_a_band_say_nothing() -> None:
    """V-04: many bands are read, and tissue says three characters by chance."""
    assert BlockReader(Reads(in_a_band(10, 40, ReadLine("HEN", 0.99)))).read_text(PICTURE, [LABEL]) == [""]
    assert BlockReader(Reads(in_a_band(10, 40, ReadLine("HENS", 0.5)))).read_text(PICTURE, [LABEL]) == [""]
    assert BlockReader(Reads(in_a_band(10, 40, ReadLine("HENS", 0.7)))).read_text(PICTURE, [LABEL]) == ["HENS"]


def test_one_harmless_line_makes_no_block_harmless() -> None:
    """V-04, V-15: what the other lines say is not known."""
    patterns = (re.compile("SMITH"),)
    assert AllowingReader(BlockReader(Reads(lambda _, box: NAME)), patterns).read_text(PICTURE, [LABEL]) == [""]
    block = BlockReader(Reads(in_a_band(10, 40)))
    assert AllowingReader(block, patterns).read_text(PICTURE, [LABEL]) == ["SMITH"]


def test_one_band_makes_no_page() -> None:
    """V-04: lines lie in several bands; of a smooth picture one says something by chance."""
    once = [NAME]
    alone = Reads(lambda _, box: once.pop() if once and box[3] - box[1] == 45 else ReadLine(""))
    assert BlockReader(alone).read_text(PICTURE, [PAGE]) == [""]
    assert not once
    twice = [NAME, NAME]
    both = Reads(lambda _, box: twice.pop() if twice and box[3] - box[1] == 45 else ReadLine(""))
    assert BlockReader(both).read_text(PICTURE, [PAGE]) == ["SMITH"]


@pytest.mark.parametrize("allowed", [(), ("CUT .*",)])
def test_the_second_look_reads_several_lines(allowed: tuple[str, ...]) -> None:
    """V-15: what was written stays readable as it would be before, one line or several."""

    class Detectors:
        def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
            raise AssertionError(rule)

        def reader(self) -> TextReader:
            return cast(TextReader, Reads(in_a_band(10, 40)))

    policy = Policy(name="p", summary="s", text_allow=allowed)
    assert Working(cast(Job, None), policy, Detectors()).reader().read_text(PICTURE, [LABEL]) == ["SMITH"]


def test_a_box_outside_the_picture_has_no_bands() -> None:
    """V-04: no part, no band."""
    inner = Reads(lambda _, box: ReadLine(""))
    assert BlockReader(inner).read_text(PICTURE, [(970.0, 10.0, 1000.0, 60.0)]) == [""]
    assert len(inner.asked) == 1
