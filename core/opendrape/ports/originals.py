"""How a video that lies in the storage of originals already is looked at before it is taken in (I-01)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from opendrape.errors import NotFound


@dataclass(frozen=True, slots=True)
class Original:
    """One version of one video. ``name`` and ``path`` (how the key map knows it) are identity: they stay in memory.

    ``version`` is another number for every other content or writing of it; the key map keeps it where a file has its
    modification time.
    """

    name: str
    path: str
    size_bytes: int
    version: int


class Originals(Protocol):
    """Only read from. ``StorageUnavailable`` when the storage does not answer.

    ``head`` and ``sha256`` are of the version that was looked at: ``SourceChanged`` (``source_gone``,
    ``source_changed``) when it is there no more.
    """

    def look(self, name: str) -> Original:
        """The present version; ``NotFound``."""

    def head(self, original: Original, count: int) -> bytes:
        """The first bytes, at most ``count``."""

    def sha256(self, original: Original) -> str:
        """Digest of every byte, hex."""


class NoOriginals(Originals):
    """No storage of originals is set."""

    def look(self, name: str) -> Original:  # noqa: ARG002 - the port's signature
        raise NotFound(reason="no_source_storage")

    def head(self, original: Original, count: int) -> bytes:  # noqa: ARG002 - the port's signature
        raise NotFound(reason="no_source_storage")

    def sha256(self, original: Original) -> str:  # noqa: ARG002 - the port's signature
        raise NotFound(reason="no_source_storage")
