"""What is the digest of a source file, and did it stay the same while it was read (I-04)?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from opendrape.adapters.streamed_digest import sha256_of
from opendrape.errors import TransientError
from opendrape_ingest.beneath import open_file
from opendrape_ingest.discover import Found


class ChangedWhileRead(TransientError):
    """The file was written to while it was read; the next scan looks again."""

    default_reason = "still_growing"


def digest(root: Path, found: Found, on_bytes: Callable[[int], None]) -> str:
    """SHA-256 in hex of the file as it was found.

    :class:`ChangedWhileRead` when size or modification time are not what they were, before or after reading, or when
    the bytes read are not as many; ``OSError`` as the medium does.
    """
    descriptor = open_file(root, found.relative)
    try:
        _must_be(found, os.fstat(descriptor))
        sha256, size = sha256_of(descriptor, on_bytes=on_bytes)
        _must_be(found, os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if size != found.size_bytes:
        raise ChangedWhileRead
    return sha256


def _must_be(found: Found, facts: os.stat_result) -> None:
    if (facts.st_size, facts.st_mtime_ns) != (found.size_bytes, found.mtime_ns):
        raise ChangedWhileRead
