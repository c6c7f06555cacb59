"""Where planted identity strings turn up: in bytes of files in any usual encoding, in names, in SQLite cells."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from opendrape_masker.synthetic.canaries import Hit, Needle, found_in, grep_bytes, needles_of

__all__ = ["Hit", "grep_bytes", "grep_canaries"]

_SQLITE = b"SQLite format 3\x00"


def grep_canaries(folders: Iterable[Path], canaries: Sequence[str]) -> list[Hit]:
    """Every place in which a canary survives; empty means clean. A folder may also be a single file."""
    needles = [needle for canary in canaries for needle in needles_of(canary)]
    return [hit for folder in folders for hit in _search(folder, needles)]


def _search(folder: Path, needles: Sequence[Needle]) -> Iterator[Hit]:
    if not folder.exists():
        raise FileNotFoundError(f"nothing to search at {folder.name}: the test would prove nothing")
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        where = path.name if path == folder else str(path.relative_to(folder))
        yield from found_in(path.name.encode("utf-8", "surrogateescape"), needles, f"name of {where}")
        if path.is_symlink():
            yield from found_in(str(path.readlink()).encode(), needles, f"target of {where}")
        elif path.is_file():
            content = path.read_bytes()
            yield from found_in(content, needles, where)
            if content.startswith(_SQLITE):
                yield from _cells(path, needles, where)


def _cells(path: Path, needles: Sequence[Needle], where: str) -> Iterator[Hit]:
    """Texts that SQLite splits over pages are whole only in their cells; read from a copy, log included."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal"):
            if (beside := path.with_name(path.name + end)).exists():
                shutil.copy(beside, Path(folder) / f"copy{end}")
        with closing(sqlite3.connect(Path(folder) / "copy")) as database:
            for table in _tables(database):
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield from found_in(_row_bytes(row), needles, f"{where}!{table}")


def _tables(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [str(name) for (name,) in rows]


def _row_bytes(row: Sequence[object]) -> bytes:
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)
