"""What is the SHA-256 of an open file, read once at the speed of the disk?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

_BUFFER_BYTES = 4 * 2**20


def _unobserved(_: int) -> None:
    return


def sha256_of(descriptor: int, *, on_bytes: Callable[[int], None] = _unobserved) -> tuple[str, int]:
    """Digest (lower-case hex) and number of bytes from the start to the end; the file offset is left alone.

    ``on_bytes`` gets the count so far after every 4 MiB. Raises ``OSError`` as the medium does.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    digest, buffer, done = hashlib.sha256(), bytearray(_BUFFER_BYTES), 0
    view = memoryview(buffer)
    while count := os.preadv(descriptor, [buffer], done):
        digest.update(view[:count])
        done += count
        on_bytes(done)
    return digest.hexdigest(), done
