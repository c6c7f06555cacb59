"""How is a file opened that must lie beneath a source root: no link followed on the way (I-03)?"""

from __future__ import annotations

import os
from pathlib import Path, PurePath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# not blocking: opening a named pipe must not wait for a writer
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_folder(root: Path, relative: PurePath) -> int:
    """A descriptor of the folder ``relative`` beneath ``root``. ``OSError`` when a step is missing or a link."""
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError("not beneath the source root")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in relative.parts:
        above = descriptor
        try:
            descriptor = os.open(part, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


def open_file(root: Path, relative: PurePath) -> int:
    """A read-only descriptor of the file ``relative`` beneath ``root``. ``OSError`` when missing or a link."""
    folder = open_folder(root, relative.parent)
    try:
        return os.open(relative.name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def stat_file(root: Path, relative: PurePath) -> os.stat_result:
    """Facts about the file itself, a link not followed. ``OSError`` when missing."""
    folder = open_folder(root, relative.parent)
    try:
        return os.stat(relative.name, dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(folder)
