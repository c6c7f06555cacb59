"""The canary search itself: it finds identity in every disguise, otherwise a clean answer would mean nothing."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.synthetic.canaries import grep_bytes, grep_canaries

NAME = "Märta Andersson"
DISGUISES: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "upper case": lambda text: text.upper().encode(),
    "lower case": lambda text: text.lower().encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "latin-1": lambda text: text.encode("latin-1"),
    "percent": lambda text: quote(text).encode(),
    "json": lambda text: json.dumps({"a": text}).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 one byte later": lambda text: base64.b64encode(b"x" + text.encode() + b"yz"),
    "base64 two bytes later": lambda text: base64.urlsafe_b64encode(b"xy" + text.encode() + b"zz"),
    "decomposed": lambda text: text.replace("ä", "a\u0308").encode(),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_canary_is_found_in_every_disguise(disguise: str) -> None:
    """P-05: a name counts as leaked in whatever form it is written."""
    content = b"\x00\xffbefore" + b"\x00" * 5 + DISGUISES[disguise](NAME) + b"after"
    assert grep_bytes(content, [NAME])
    assert not grep_bytes(content, ["Fjällström"])


def test_names_of_files_and_folders_are_searched(tmp_path: Path) -> None:
    """P-05: a folder called like a patient is a leak even when it is empty."""
    (tmp_path / "op Andersson").mkdir()
    assert [hit.where for hit in grep_canaries([tmp_path], ["andersson"])] == ["name of op Andersson"]


def test_sqlite_cells_are_searched_even_when_a_text_spans_pages(tmp_path: Path) -> None:
    """P-04: a long cell is split over pages, where no plain search would find it whole."""
    with closing(sqlite3.connect(tmp_path / "some.db")) as database:
        database.execute("CREATE TABLE note (words TEXT)")
        long_text = "".join(f"{number:05d} " for number in range(3000))
        database.execute("INSERT INTO note VALUES (?)", (long_text,))
        database.commit()
    assert [hit.where for hit in grep_canaries([tmp_path], [long_text[6:9000]])] == ["some.db!note"]


def test_an_absent_folder_is_an_error_not_a_clean_answer(tmp_path: Path) -> None:
    """A canary test that searches nothing must not pass."""
    with pytest.raises(FileNotFoundError):
        grep_canaries([tmp_path / "nowhere"], ["Andersson"])
