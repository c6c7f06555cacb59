"""Where planted identity strings turn up: in bytes of files in any usual encoding, in names, in SQLite cells."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

_SQLITE = b"SQLite format 3\x00"
_SHORTEST_BASE64 = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """One canary found: ``where`` is a path below the searched folder (``!table`` for a SQLite cell)."""

    where: str
    canary: str
    form: str


@dataclass(frozen=True, slots=True)
class _Needle:
    canary: str
    form: str
    content: bytes
    any_case: bool


def grep_canaries(folders: Iterable[Path], canaries: Sequence[str]) -> list[Hit]:
    """Every place in which a canary survives; empty means clean. A folder may also be a single file."""
    needles = [needle for canary in canaries for needle in _needles(canary)]
    return [hit for folder in folders for hit in _search(folder, needles)]


def grep_bytes(content: bytes, canaries: Sequence[str], *, where: str = "bytes") -> list[Hit]:
    """The same for bytes in hand, such as the text of an answer or of a log."""
    return list(_found(content, [needle for canary in canaries for needle in _needles(canary)], where))


def _search(folder: Path, needles: Sequence[_Needle]) -> Iterator[Hit]:
    if not folder.exists():
        raise FileNotFoundError(f"nothing to search at {folder.name}: the test would prove nothing")
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        where = path.name if path == folder else str(path.relative_to(folder))
        yield from _found(path.name.encode("utf-8", "surrogateescape"), needles, f"name of {where}")
        if path.is_symlink():
            yield from _found(str(path.readlink()).encode(), needles, f"target of {where}")
        elif path.is_file():
            content = path.read_bytes()
            yield from _found(content, needles, where)
            if content.startswith(_SQLITE):
                yield from _cells(path, needles, where)


def _found(content: bytes, needles: Sequence[_Needle], where: str) -> Iterator[Hit]:
    lower = content.lower()
    for needle in needles:
        if needle.content in (lower if needle.any_case else content):
            yield Hit(where, needle.canary, needle.form)


def _needles(canary: str) -> Iterator[_Needle]:
    """Every way of writing it down; ASCII letters are compared in lower case, so other letters come in three cases."""
    seen: set[bytes] = set()
    for cased in (canary, canary.lower(), canary.upper()):
        for composition in ("NFC", "NFD"):
            text = unicodedata.normalize(composition, cased)
            for form, content, any_case in _forms(text):
                wanted = content.lower() if any_case else content
                if wanted not in seen:
                    seen.add(wanted)
                    yield _Needle(canary, form, wanted, any_case)


def _forms(text: str) -> Iterator[tuple[str, bytes, bool]]:
    plain = text.encode()
    yield "utf-8", plain, True
    yield "utf-16-le", text.encode("utf-16-le"), True
    yield "utf-16-be", text.encode("utf-16-be"), True
    yield "latin-1", text.encode("latin-1", "replace"), True
    yield "percent-encoded", quote(text, safe="").encode(), True
    yield "form-encoded", quote_plus(text).encode(), True
    yield "json", json.dumps(text)[1:-1].encode(), True
    yield "hex", plain.hex().encode(), True
    yield from (("base64", code, False) for code in _base64_inside(plain))


def _base64_inside(plain: bytes) -> Iterator[bytes]:
    """The characters that are certain whatever stands before and behind, for the three alignments, both alphabets."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
        code = base64.b64encode(bytes(before) + plain)[first:last]
        if len(code) >= _SHORTEST_BASE64:
            yield code
            yield code.replace(b"+", b"-").replace(b"/", b"_")


def _cells(path: Path, needles: Sequence[_Needle], where: str) -> Iterator[Hit]:
    """Texts that SQLite splits over pages are whole only in their cells; read from a copy, log included."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal"):
            if (beside := path.with_name(path.name + end)).exists():
                shutil.copy(beside, Path(folder) / f"copy{end}")
        with closing(sqlite3.connect(Path(folder) / "copy")) as database:
            for table in _tables(database):
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield from _found(_row_bytes(row), needles, f"{where}!{table}")


def _tables(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [str(name) for (name,) in rows]


def _row_bytes(row: Sequence[object]) -> bytes:
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)
