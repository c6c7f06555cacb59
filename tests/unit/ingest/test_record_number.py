"""Does a record number rule find what is there, and nothing that could merge two patients (P-01, P-03)?"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.errors import ConfigurationError
from opendrape_ingest.record_number import RecordNumberRule, could_be_date

SIX_DIGITS = RecordNumberRule(r"(?P<record>\d{6})")


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("123456 right.mp4", "123456"),
        ("Dr X/987654/op 2.mp4", "987654"),
        ("123456/123456 left.mp4", "123456"),
        ("2024-01-31_143015 987654.mp4", "987654"),
        ("operation.mp4", None),
        ("", None),
    ],
)
def test_the_one_record_number_of_a_path_is_found(path, record):
    """P-01: by a configurable rule, anywhere below the source root."""
    assert SIX_DIGITS.find(PurePath(path)) == record


@pytest.mark.parametrize(
    "name",
    [
        "310124",  # day, month, year
        "240131",  # year, month, day
        "013124",  # month, day, year
        "290200",  # a leap day of some century
        "202401",  # year and month
        "20240131123456",  # a slice of a longer number
        "20240131",
        "1234567",
        "20240131_143015",  # the time after a date
        "2024-01-31 101559",
        "123456 and 654987",  # two: nobody knows which
    ],
)
def test_dates_times_slices_and_doubts_are_no_record_numbers(name):
    """P-03: a 6-digit date must never merge two patients."""
    assert SIX_DIGITS.find(PurePath(f"{name}.mp4")) is None


@given(
    st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.sampled_from(["%d%m%y", "%y%m%d", "%m%d%y", "%Y%m%d", "%d%m%Y"])
)
def test_no_date_in_any_order_is_ever_a_record_number(day, form):
    """P-03, over every date of two centuries."""
    rule = RecordNumberRule(r"(?P<record>\d{6,8})")
    assert rule.find(PurePath(f"Patient {day.strftime(form)}.mp4")) is None


@pytest.mark.parametrize("written", ["31.01.24", "31-01-2024", "24 01 31", "1.2.24", "31Jan24", "31 mai 2024"])
def test_a_date_with_separators_is_a_date(written):
    """P-03."""
    assert RecordNumberRule(r"(?P<record>[\w. -]{5,}\d)\.").find(PurePath(f"{written}.mp4")) is None


def test_most_six_digit_numbers_stay_record_numbers():
    """P-03 costs a subject where in doubt, not most subjects: dates are under a tenth of all numbers."""
    assert sum(could_be_date(f"{number:06}") for number in range(0, 1_000_000, 7)) < 1_000_000 / 7 * 0.1


def test_letters_make_a_number_that_is_no_date():
    """P-01: and case does not split a patient in two."""
    rule = RecordNumberRule(r"MRN[-_](?P<record>\w+?)[-_.]")
    assert rule.find(PurePath("MRN-A310124-1.mp4")) == rule.find(PurePath("MRN_a310124_2.mp4")) == "a310124"


def test_national_numbers_that_begin_with_a_birth_date_are_found():
    """P-01: eleven digits are a person, not a date."""
    assert RecordNumberRule(r"(?P<record>\d{11})").find(PurePath("01019012345.mp4")) == "01019012345"


def test_every_day_of_a_year_is_a_date():
    days = (date(2024, 1, 1) + timedelta(days=number) for number in range(366))
    assert all(could_be_date(day.strftime("%d%m%y")) for day in days)


def test_a_name_that_is_no_text_gives_no_record_number():
    assert RecordNumberRule("id(?P<record>.+)x").find(PurePath("id\udcff\udcfex")) is None


def test_without_a_rule_there_are_no_record_numbers():
    assert RecordNumberRule("").find(PurePath("123456.mp4")) is None


@pytest.mark.parametrize("pattern", ["(?P<record>", r"\d{6}"])
def test_a_rule_that_cannot_be_used_stops_the_scan(pattern):
    with pytest.raises(ConfigurationError) as refused:
        RecordNumberRule(pattern)
    assert refused.value.reason == "record_number_pattern"
    assert refused.value.__cause__ is None or pattern not in str(refused.value)
