"""How files with secrets are made, replaced and read: mode 0600, whole or not at all, never through a lax mode."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from opendrape.errors import ConfigurationError

_FORBIDDEN_BITS: Final = 0o077
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create_private(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Write a new file, fsynced, in folders that are made 0700; False when the name exists (it is left as it is).

    ``ConfigurationError`` (``private_file_not_writable``) when the folder does not allow it.
    """
    with _written_beside(path, content, mode) as written:
        try:
            os.link(written, path)
        except FileExistsError:
            return False
    _flush_folder(path.parent)
    return True


def replace_private(path: Path, content: bytes) -> None:
    """Put new content in the file's place in one step. ``ConfigurationError`` when the folder does not allow it."""
    with _written_beside(path, content, 0o600) as written:
        written.replace(path)
    _flush_folder(path.parent)


def read_private(path: Path) -> bytes:
    """The content. ``ConfigurationError``: ``key_file_missing``, ``key_file_permissions``, ``key_file_unreadable``."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _FORBIDDEN_BITS:
                raise ConfigurationError(
                    "a key file can be read or written by group or others; chmod 600 it", reason="key_file_permissions"
                )
            return file.read()
    except FileNotFoundError:
        raise ConfigurationError("a key file is missing", reason="key_file_missing") from None
    except OSError:
        raise ConfigurationError("a key file cannot be read", reason="key_file_unreadable") from None


@contextmanager
def _written_beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    written = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(written, _NEW, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield written
    except OSError:
        raise ConfigurationError("a private file cannot be written", reason="private_file_not_writable") from None
    finally:
        with suppress(OSError):
            written.unlink()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
