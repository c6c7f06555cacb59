"""Which files lie in a source folder, and which of them are not even looked at, and why (I-02, I-03)?"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from opendrape.errors import ConfigurationError
from opendrape_ingest.beneath import open_folder

_TEMPORARY_ENDINGS = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")
_TEMPORARY_BEGINNINGS = ("~$",)
_SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found"})


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file as the folder's listing gives it. ``relative`` is its path beneath the root: identity."""

    relative: PurePath
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A name that is not read. ``failed`` is True when it should have been."""

    relative: PurePath
    reason: str
    failed: bool = False


def source_root(path: Path) -> tuple[Path, PurePath]:
    """The real folder behind ``path``, and what to look at in it: everything (``.``) or the one file named.

    ``ConfigurationError`` (``source_missing``) when there is neither.
    """
    try:
        real = path.resolve(strict=True)
    except OSError as error:
        raise ConfigurationError("the source folder is not there", reason="source_missing") from error
    if real.is_dir():
        return real, PurePath()
    if real.is_file():
        return real.parent, PurePath(real.name)
    raise ConfigurationError("the source is neither a folder nor a file", reason="source_missing")


def discover(
    root: Path, start: PurePath = PurePath(), *, leave_out: Collection[Path] = ()
) -> Iterator[Found | PassedOver]:
    """Everything beneath ``root / start``, in byte order of the names, folder by folder; links are never followed.

    ``leave_out`` are real paths (our own state and output) that are reported as ``own_folder`` and not entered.
    """
    if start.name:
        yield _single(root, start)
    else:
        yield from _folder(root, PurePath(), frozenset(leave_out))


def _single(root: Path, relative: PurePath) -> Found | PassedOver:
    facts = os.lstat(root / relative)
    if not stat.S_ISREG(facts.st_mode):
        return PassedOver(relative, "not_a_file")
    return Found(relative, facts.st_size, facts.st_mtime_ns)


def _folder(root: Path, relative: PurePath, leave_out: frozenset[Path]) -> Iterator[Found | PassedOver]:
    try:
        entries = _entries(root, relative)
    except OSError:
        yield PassedOver(relative, "folder_unreadable", failed=True)
        return
    for name, facts in entries:
        path = relative / name
        reason = _why_passed_over(name, facts) or ("own_folder" if root / path in leave_out else "")
        if reason:
            yield PassedOver(path, reason)
        elif stat.S_ISDIR(facts.st_mode):
            yield from _folder(root, path, leave_out)
        else:
            yield Found(path, facts.st_size, facts.st_mtime_ns)


def _entries(root: Path, relative: PurePath) -> list[tuple[str, os.stat_result]]:
    """Names and facts of one folder, read through its descriptor so that swapping it for a link leads nowhere."""
    descriptor = open_folder(root, relative)
    try:
        with os.scandir(descriptor) as listing:
            entries = [(entry.name, facts) for entry in listing if (facts := _facts(entry)) is not None]
    finally:
        os.close(descriptor)
    return sorted(entries, key=lambda entry: os.fsencode(entry[0]))


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed while the folder was read
        return None


def _why_passed_over(name: str, facts: os.stat_result) -> str:
    if stat.S_ISLNK(facts.st_mode):
        return "symbolic_link"
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        return "not_a_file"
    if name.startswith("."):
        return "hidden"
    folded = name.casefold()
    if folded in _SYSTEM_NAMES:
        return "system_file"
    if folded.endswith(_TEMPORARY_ENDINGS) or folded.startswith(_TEMPORARY_BEGINNINGS):
        return "temporary"
    return ""
