"""Which record number does a path carry, if any, when a wrong answer would merge two patients (P-03)?

A rule may only find less than there is: without a record number an asset has no subject, which harms nobody.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath

from opendrape.errors import ConfigurationError

_SEPARATORS = re.compile(r"[\s._\-/]")
_DATE_ORDERS = ("ymd", "dmy", "mdy")
_MONTHS = "jan|feb|mar|apr|ma[yi]|jun|jul|aug|sep|o[ck]t|nov|de[cs]"
_WRITTEN_DATE = re.compile(
    rf"\d{{1,4}}[\s._\-/]+\d{{1,2}}[\s._\-/]+\d{{1,4}}|\d{{1,4}}[\s._\-/]*({_MONTHS})[a-z]*[\s._\-/]*\d{{1,4}}",
    re.IGNORECASE,
)
_DATE_BEFORE = re.compile(r"(?<!\d)(\d{8}|\d{6}|\d{4}[-._]\d{2}[-._]\d{2})[ T_\-.]{1,3}$")


class RecordNumberRule:
    """A site's regular expression with a group ``record``, searched in the path below the source root.

    Empty: no record numbers. ``ConfigurationError`` (``record_number_pattern``) when it cannot be used.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern) if pattern else None
        except re.error as error:
            raise _unusable() from error
        if self._pattern is not None and "record" not in self._pattern.groupindex:
            raise _unusable()

    def find(self, relative: PurePath) -> str | None:
        """The one record number in the path; None when there is none, or more than one.

        A candidate does not count when it is part of a longer number, or can be read as a date, a year, or the time
        after a date.
        """
        if self._pattern is None:
            return None
        text = relative.as_posix()
        found = {
            match["record"].strip().casefold()
            for match in self._pattern.finditer(text)
            if match["record"] and _is_record_number(text, match.start("record"), match.end("record"))
        }
        return found.pop() if len(found) == 1 else None


def _is_record_number(text: str, start: int, end: int) -> bool:
    candidate = text[start:end].strip()
    if not candidate.isprintable() or not candidate or _is_within_a_number(text, start, end):
        return False
    if _WRITTEN_DATE.fullmatch(candidate):
        return False
    digits = _SEPARATORS.sub("", candidate)
    if not digits.isdecimal():
        return True
    return not (could_be_date(digits) or _is_time_after_date(text[:start], digits))


def _is_within_a_number(text: str, start: int, end: int) -> bool:
    before = text[start - 1 : start].isdecimal() and text[start].isdecimal()
    after = text[end : end + 1].isdecimal() and text[end - 1].isdecimal()
    return before or after


def could_be_date(digits: str) -> bool:
    """True when 4, 6 or 8 digits can be read as a year or a date, in any common order of day, month and year."""
    if len(digits) == 4:
        return digits[:2] in ("19", "20")
    if len(digits) not in (6, 8):
        return False
    return any(_reads_as(digits, order) for order in _DATE_ORDERS) or (len(digits) == 6 and _is_year_and_month(digits))


def _reads_as(digits: str, order: str) -> bool:
    """Two-digit years are read in 2000, a leap year: 29 February is a date in any doubt."""
    position, parts = 0, {}
    for unit in order:
        width = len(digits) - 4 if unit == "y" else 2
        parts[unit] = int(digits[position : position + width])
        position += width
    year = parts["y"] if len(digits) == 8 else 2000
    if not 1850 <= year <= 2150:
        return False
    try:
        date(year, parts["m"], parts["d"])
    except ValueError:
        return False
    return True


def _is_year_and_month(digits: str) -> bool:
    return digits[:2] in ("19", "20") and 1 <= int(digits[4:]) <= 12


def _is_time_after_date(before: str, digits: str) -> bool:
    if len(digits) not in (4, 6) or not _DATE_BEFORE.search(before):
        return False
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0)
    return hours < 24 and minutes < 60 and seconds < 60


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "pseudonym.record_number_pattern must be a regular expression with a group named record",
        reason="record_number_pattern",
    )
