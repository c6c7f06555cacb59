"""What a policy says about whole scenes: time out of the body, the case sheet, fixed overlays, harmless text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.exact import Seconds
from opendrape.domain.scene_facts import ConfirmedInterval

LONGEST_ALLOWED_TEXT = 64
"""Longer lines are never taken for harmless text; it also bounds the time that a pattern may take."""
_LONGEST_PATTERN = 120
_MOST_REPEATS = 3
_MOST_OPTIONS = 8
_REFUSED_SYNTAX = (
    (re.compile(r"\(\?(?!:)"), "no look-around, names or flags"),
    (re.compile(r"\\[1-9]"), "no back references"),
    (re.compile(r"\)[*+{]"), "no repeated groups"),
)
_ESCAPED = re.compile(r"\\[^1-9]")
_REPEAT = re.compile(r"[*+{]")
_OPTION = re.compile(r"[?|]")
_PROBES = ("", "a Qz", "Jane Doe", "DOE, JANE 1961", "Müller 4711")
"""What a name may look like: a pattern that allows one of these allows anything."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OutOfBodyRule(_Rule):
    """What counts as certain when the endoscope is out of the body (V-05). The schedule is the detect rule's."""

    certain_score: float = Field(default=0.75, gt=0, lt=1, description="looks from here on are certain")
    uncertain: Literal["mask", "show"] = Field(
        default="mask", description="time that is probably out of the body, not certainly; in the report either way"
    )
    review: Literal["uncertain", "shown", "none"] = Field(
        default="uncertain", description="which time in doubt keeps a video back until a person confirmed it"
    )
    confirmed: tuple[ConfirmedInterval, ...] = Field(
        default=(), max_length=10_000, description="what a person said of one video; never in a policy file"
    )

    def with_confirmed(self, said: Sequence[ConfirmedInterval]) -> OutOfBodyRule:
        """This rule for one video of which a person said something; the order of saying does not matter."""
        ordered = sorted({*self.confirmed, *said}, key=lambda one: (one.start_frame, one.end_frame, one.where))
        return self.model_copy(update={"confirmed": tuple(ordered)})


class CaseSheetRule(_Rule):
    """A paper sheet in view at the beginning (V-06): everything up to its end is blacked by re-encoding."""

    within_seconds: Seconds = Field(default=Fraction(30), gt=0, description="how long from the start it is looked for")
    max_gap_seconds: Seconds = Field(default=Fraction(1, 2), gt=0)
    margin_seconds: Seconds = Field(default=Fraction(1), ge=0, description="blacked beyond the last sighting")
    strong_score: float = Field(default=0.75, gt=0, lt=1, description="a sheet by itself: paper with three lines")
    weak_score: float = Field(default=0.4, gt=0, lt=1, description="still the sheet, after a strong sighting")


class OverlayRule(_Rule):
    """Fixed overlays found by temporal statistics over the whole video (V-04)."""

    samples: int = Field(default=64, ge=16, le=256, description="pictures compared, spread over the video")
    largest_share: float = Field(default=0.12, gt=0, le=1, description="more of the picture than this: undecidable")


def checked_pattern(pattern: str) -> str:
    """The pattern, when it is short, simple enough to take bounded time, and narrower than a name.

    ``ValueError`` says what is wrong. A line of at most 64 characters is matched whole; at most three open repeats and
    none of a group: at worst some 300 000 steps a line, never exponential ones.
    """
    if not 0 < len(pattern) <= _LONGEST_PATTERN:
        raise ValueError(f"a pattern has 1 to {_LONGEST_PATTERN} characters")
    plain = _ESCAPED.sub("x", pattern)
    for syntax, complaint in _REFUSED_SYNTAX:
        if syntax.search(plain):
            raise ValueError(complaint)
    if len(_REPEAT.findall(plain)) > _MOST_REPEATS or len(_OPTION.findall(plain)) > _MOST_OPTIONS:
        raise ValueError(f"at most {_MOST_REPEATS} repeats and {_MOST_OPTIONS} options")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError("not a regular expression") from error
    if any(compiled.fullmatch(probe) for probe in _PROBES):
        raise ValueError("it would allow any text")
    return pattern


def is_allowed(text: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    """True when the whole line, without spaces at its ends, matches one of the patterns."""
    line = text.strip()
    return 0 < len(line) <= LONGEST_ALLOWED_TEXT and any(pattern.fullmatch(line) for pattern in patterns)
