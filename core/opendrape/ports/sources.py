"""How a worker gets at the original without ever learning its name."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OpenSource:
    """An open, seekable, read-only file descriptor on the original. The name stays with the key map."""

    descriptor: int
    size_bytes: int


class SourceStore(Protocol):
    """Opens originals by pseudonym.

    The content is the registered one as far as size and modification time can tell, or by its digest when only the time
    is another; otherwise ``SourceChanged``.
    """

    def open(self, asset_id: str) -> AbstractContextManager[OpenSource]:
        """Open for the context's duration. ``SourceChanged`` when gone or changed."""

    def verify_digest(self, asset_id: str, sha256: str) -> None:
        """Read the whole original and compare; ``SourceChanged`` when it differs."""
