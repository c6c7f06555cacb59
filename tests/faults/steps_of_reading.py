"""Every step from a text detector's hit to the word that it is text, and the tests that notice when it is taken out."""

from __future__ import annotations

from tests.faults.mutants import Mutation

_TESTS = ("tests/unit/masker/test_legible.py", "tests/unit/masker/test_blocks.py")


def _legible(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, "opendrape_masker.detectors.legible", function, _TESTS, **how)  # type: ignore[arg-type]


def _block(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, "opendrape_masker.detectors.blocks", function, _TESTS, **how)  # type: ignore[arg-type]


READING = (
    _legible("count what the detector is sure of unread", "LegibleText._is_sure", gives="False"),
    _legible(
        "read what is as large as the picture",
        "LegibleText._is_sure",
        instead=("not is_large(picture, _box(hit))", "True"),
    ),
    _legible(
        "count unread what is too much to read",
        "LegibleText._counting",
        instead=("doubtful[:_READ_AT_MOST]", "doubtful"),
    ),
    _legible("drop what cannot be read", "LegibleText._counting", instead=("place not in dropped", "True")),
    _legible("read a hit as a line", "LegibleText._is_legible", without="if read.says_something"),
    _legible("read a hit as several lines", "LegibleText._is_block", gives="False"),
    _legible(
        "seek no lines where no character is", "LegibleText._is_legible", instead=("most >= _OF_SEVERAL_LINES", "True")
    ),
    _legible(
        "seek lines in what is as large as the picture",
        "LegibleText._is_legible",
        instead=("is_large(picture, _box(hit))", "False"),
    ),
    _legible("turn a hit", "_turned", instead=("_ANGLES", "(0,)")),
    _legible("lay a slanted line level", "_slanted", instead=("-angle", "0")),
    _block(
        "read bands where a line says nothing",
        "BlockReader.read_lines",
        instead=("self.read_block(picture, box)", "None"),
    ),
    _block("call no block harmless", "BlockReader.read_block", instead=("replace(line, weakest=0.0)", "line")),
    _block(
        "read a page on its side",
        "BlockReader.read_block",
        instead=("[(0, _PAGE), (1, _LABEL), (-1, _LABEL)]", "[(0, _PAGE)]"),
    ),
    _block("read a page in fine bands", "BlockReader.read_block", instead=("(0, _PAGE)", "(0, _LABEL)")),
    _block("insist on two bands of a page", "BlockReader.read_block", instead=("_BANDS_OF_A_PAGE - 1", "0")),
    _block("insist on four characters", "BlockReader._lines", instead=("line.characters >= _CHARACTERS", "True")),
    _block("insist on being sure", "BlockReader._lines", instead=("line.says_something", "True")),
    _block("let bands overlap", "bands", instead=("range(2 * count - 1)", "range(0, 2 * count - 1, 2)")),
    _block("keep bands short", "bands", instead=("min(width, _LENGTH * high)", "width")),
    Mutation(
        "let the second look read several lines",
        "opendrape_masker.engine.working",
        "Working.reader",
        _TESTS,
        instead=("BlockReader(self.detectors.reader())", "self.detectors.reader()"),
    ),
)
