"""V-06: a written sheet of paper is told from swabs, walls and tissue; everything up to its end is blacked."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from opendrape.domain.scene_rules import CaseSheetRule
from opendrape.domain.timeline import Timeline
from opendrape_masker.detectors.case_sheet import Line, sheet_score
from opendrape_masker.engine.leading_sheet import Appearance, LeadingSheet, reach_frames
from opendrape_masker.synthetic.tissue import Tissue

RULE = CaseSheetRule()
SIZE = (640, 360)


def score(picture: np.ndarray, lines: list[Line]) -> float:
    return sheet_score(picture, lambda: lines)


def table() -> np.ndarray:
    """A dark green cloth."""
    return np.full((SIZE[1], SIZE[0], 3), (60, 80, 40), np.uint8)


def sheet(*, words: bool = True, angle: float = 8.0, tint: tuple[int, int, int] = (225, 228, 232)) -> np.ndarray:
    """A tilted sheet on the cloth, with twelve lines of text."""
    paper = np.full((SIZE[1], SIZE[0], 3), tint, np.uint8)
    for row in range(12 if words else 0):
        at = (150, 60 + 22 * row)
        cv2.putText(paper, "NAME DOE JANE 12.03.1961", at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1)
    shape = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    cv2.rectangle(shape, (130, 30), (510, 330), 255, -1)
    turn = cv2.getRotationMatrix2D((320, 180), angle, 0.95)
    paper, shape = cv2.warpAffine(paper, turn, SIZE), cv2.warpAffine(shape, turn, SIZE)
    picture = table()
    picture[shape > 0] = paper[shape > 0]
    return picture


LINES: list[Line] = [(170, 80, 420, 100), (170, 120, 420, 140), (170, 160, 420, 180), (170, 200, 420, 220)]


@pytest.mark.parametrize("angle", [0.0, 8.0, -25.0])
def test_a_written_sheet_is_found_at_any_tilt(angle: float) -> None:
    """V-06: with lines that a text detector sees."""
    assert score(sheet(angle=angle), LINES) >= RULE.strong_score


def test_a_tinted_or_dim_sheet_is_found_too() -> None:
    """V-06: lamps are yellow and may be turned down."""
    assert score(sheet(tint=(190, 220, 232)), LINES) >= RULE.strong_score
    assert score(sheet() // 2 + 20, LINES) >= RULE.strong_score


def test_a_sheet_whose_writing_nobody_can_read_is_weak() -> None:
    """V-06: it goes on with an appearance, but does not begin one."""
    assert RULE.weak_score <= score(sheet(), []) < RULE.strong_score


def test_a_sign_on_a_white_wall_is_no_sheet_by_itself() -> None:
    """V-06: rooms have white areas and single lines of text; a form has several lines."""
    assert score(sheet(), LINES[:1]) < RULE.strong_score
    assert score(sheet(), LINES[:2]) < RULE.strong_score
    assert score(sheet(), LINES[:3]) >= RULE.strong_score


def test_a_bright_triangle_is_no_sheet() -> None:
    """V-06: a lamp's cone or a fold of cloth, with lettering over it."""
    picture = table()
    corners = np.array([[60, 340], [600, 340], [60, 20]], np.int32)
    cv2.fillPoly(picture, [corners], (225, 228, 232))
    lines: list[Line] = [(90, 180 + 30 * row, 220, 196 + 30 * row) for row in range(4)]
    for x0, _, _, y1 in lines:
        cv2.putText(picture, "DOE JANE 1961", (int(x0), int(y1)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1)
    assert score(picture, lines) < RULE.strong_score


def test_a_swab_is_no_sheet() -> None:
    """V-06: white, large, and nothing written on it."""
    assert score(sheet(words=False), []) < RULE.weak_score


def test_tissue_and_an_empty_table_are_no_sheet() -> None:
    """V-06: whatever text lies over them."""
    luma = Tissue.grown(*SIZE, seed=2).canvas(0, 0.0).luma
    red = np.dstack([luma // 3, luma // 3, luma]).astype(np.uint8)
    assert score(red, LINES) == 0.0
    assert score(table(), LINES) == 0.0


def test_lines_beside_the_sheet_do_not_count() -> None:
    """V-06: an endoscope's own lettering does not make a sheet of a swab."""
    beside: list[Line] = [(0, 4 + 12 * row, 90, 14 + 12 * row) for row in range(6)]
    assert score(sheet(words=False), beside) < RULE.weak_score


def test_the_text_detector_is_only_asked_when_there_may_be_paper() -> None:
    """V-06: it costs most, and most beginnings show tissue."""

    def refuse() -> list[Line]:
        raise AssertionError("asked in vain")

    assert sheet_score(table(), refuse) == 0.0
    with pytest.raises(AssertionError, match="in vain"):
        sheet_score(sheet(), refuse)


def last_seen(*looks: tuple[int, float]) -> Fraction | None:
    appearance = Appearance(RULE)
    for seconds, score in looks:
        appearance.add(Fraction(seconds), score)
    return appearance.last


def test_an_appearance_begins_strong_and_goes_on_weak() -> None:
    """V-06: and a second one counts as well, for everything before it is blacked."""
    assert last_seen((0, 0.0), (1, 0.4)) is None
    assert last_seen((0, 0.9), (1, 0.4), (2, 0.4), (3, 0.1)) == 2
    assert last_seen((0, 0.9), (1, 0.0), (2, 0.4)) == 2
    assert last_seen((0, 0.9), (1, 0.0), (2, 0.0), (3, 0.0), (4, 0.4)) == 0
    assert last_seen((0, 0.9), (9, 0.0), (12, 0.9)) == 12


def test_only_chunks_near_the_beginning_look_for_a_sheet() -> None:
    """V-06: an hour's other chunks do not decode its beginning again."""
    timeline = Timeline(Fraction(1, 25), range(90000), (0,), 90000)
    assert reach_frames(timeline, RULE) == pytest.approx((30 * 10 + 1.5) * 25, abs=1)


def test_the_report_says_whether_the_end_was_seen() -> None:
    """V-06."""
    assert [LeadingSheet().word, LeadingSheet(9).word, LeadingSheet(9, ended=False).word] == [
        "none",
        "found",
        "still_there",
    ]
