"""P-01, P-03: pseudonyms that nobody can guess."""

from __future__ import annotations

import re

import pytest

from opendrape.domain.pseudonym import Subject, keyed_pseudonym, random_pseudonym

KEY = bytes(range(32))


def test_random_pseudonyms_never_repeat_and_say_what_they_stand_for() -> None:
    """P-01: the default scheme."""
    made = {random_pseudonym(Subject.ASSET) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"ar-[0-9a-z]{26}", name) for name in made)
    assert random_pseudonym(Subject.PATIENT).startswith("sr-")


def test_keyed_pseudonyms_are_reproducible_under_a_key_and_differ_under_another() -> None:
    """P-01: the same at every site that shares the key."""
    once = keyed_pseudonym(Subject.PATIENT, "471193", key=KEY, key_version=3)
    assert once == keyed_pseudonym(Subject.PATIENT, "471193", key=KEY, key_version=3)
    assert once.startswith("s3-")
    assert once[3:] != keyed_pseudonym(Subject.PATIENT, "471193", key=KEY[::-1], key_version=3)[3:]


def test_the_two_kinds_do_not_share_pseudonyms() -> None:
    """P-01: an asset id never tells the subject id of the same identifier."""
    subject = keyed_pseudonym(Subject.PATIENT, "471193", key=KEY, key_version=1)
    asset = keyed_pseudonym(Subject.ASSET, "471193", key=KEY, key_version=1)
    assert subject[3:] != asset[3:]


def test_a_short_key_is_refused() -> None:
    """P-01: a key that can be searched protects nobody."""
    with pytest.raises(ValueError, match="32 bytes"):
        keyed_pseudonym(Subject.ASSET, "x", key=b"short", key_version=1)
