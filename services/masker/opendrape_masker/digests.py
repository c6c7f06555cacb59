"""What a file's bytes add up to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileDigest:
    """SHA-256 and MD5 in hex, size in bytes."""

    sha256: str
    md5: str
    size_bytes: int


def digest_file(path: Path) -> FileDigest:
    """Read the whole file once."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return FileDigest(sha256.hexdigest(), md5.hexdigest(), size)
