"""Which names a blob may have, and how its folder is reached without following a symbolic link."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from opendrape.errors import BlobConflict, NotFound, OpenDrapeError, StorageUnavailable

_PART: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)
_LONGEST_NAME: Final = 1000
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCKED: Final = MappingProxyType(
    {
        errno.ENOTDIR: "blocked_by_other_file",
        errno.EISDIR: "blocked_by_other_file",
        errno.ELOOP: "blocked_by_link",
    }
)
_REASONS: Final = MappingProxyType(
    {
        errno.ENOSPC: "disk_full",
        errno.EDQUOT: "disk_full",
        errno.EFBIG: "disk_full",
        errno.EIO: "input_output_error",
        errno.EROFS: "not_writable",
        errno.EACCES: "not_writable",
        errno.EPERM: "links_unsupported",
        errno.EOPNOTSUPP: "links_unsupported",
        errno.EMLINK: "links_unsupported",
    }
)


def check_name(name: str) -> None:
    """``ValueError`` unless every ``/``-separated part is plain ASCII and does not begin with a dot."""
    if len(name) > _LONGEST_NAME or not all(is_part(part) for part in name.split("/")):
        raise ValueError("not a blob name")


def is_part(part: str) -> bool:
    """True when ``part`` may be one piece of a blob's name."""
    return _PART.fullmatch(part) is not None


@contextmanager
def storage_errors(missing: type[OpenDrapeError] = StorageUnavailable) -> Iterator[None]:
    """Turn an ``OSError`` into ``StorageUnavailable`` with a bounded reason, a missing file into ``missing``.

    A link or a file where a folder should be is ``missing`` to a reader and ``BlobConflict`` to a writer.
    """
    try:
        yield
    except FileNotFoundError:
        raise missing from None
    except OSError as error:
        blocked = _BLOCKED.get(error.errno or 0)
        if blocked is not None:
            raise (NotFound if missing is NotFound else BlobConflict)(reason=blocked) from None
        raise StorageUnavailable(reason=_REASONS.get(error.errno or 0)) from None


@contextmanager
def opened_root(root: Path) -> Iterator[int]:
    """A descriptor of the store's folder."""
    try:
        descriptor = os.open(root, _FOLDER)
    except FileNotFoundError:
        raise StorageUnavailable(reason="folder_missing") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def parent_of(root: Path, name: str, *, create: bool) -> Iterator[tuple[int, str]]:
    """Descriptor of the folder that holds ``name`` and the last part of the name; ``FileNotFoundError`` when absent."""
    *parts, last = name.split("/")
    with opened_root(root) as top:
        folder = os.dup(top)
        try:
            for part in parts:
                folder = _step_into(folder, part, create=create)
            yield folder, last
        finally:
            os.close(folder)


def _step_into(folder: int, part: str, *, create: bool) -> int:
    """Open ``part``, close ``folder`` only when that worked."""
    if create:
        _make(folder, part)
    inner = os.open(part, _FOLDER, dir_fd=folder)
    os.close(folder)
    return inner


def _make(folder: int, part: str) -> None:
    try:
        os.mkdir(part, 0o755, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


def walk(root: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every regular file whose name begins with ``prefix``, in name order, with the folder's name and a slash.

    Folders that could not be part of a blob's name are left alone.
    """
    with opened_root(root) as top:
        yield from _walk(top, "", prefix)


def _walk(folder: int, base: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    # "a-b" < "a.mp4" < "a/…": a folder sorts with its slash, so the whole walk is in name order.
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""))
    for entry in ordered:
        name = base + entry.name
        if entry.is_dir(follow_symlinks=False):
            if is_part(entry.name) and ((name + "/").startswith(prefix) or prefix.startswith(name + "/")):
                yield from _walk_into(folder, entry.name, name + "/", prefix)
        elif entry.is_file(follow_symlinks=False) and name.startswith(prefix):
            yield base, entry


def _walk_into(folder: int, part: str, base: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        inner = os.open(part, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        yield from _walk(inner, base, prefix)
    finally:
        os.close(inner)
