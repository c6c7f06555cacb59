"""What goes when its time is over: download tokens, results of requests for frames, and bytes nobody refers to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from opendrape.errors import TransientError
from opendrape.ledger.events import OnEvent, log_event
from opendrape.ports.blobs import BlobStore
from opendrape.ports.clock import Clock
from opendrape.ports.frames import FrameRequests
from opendrape.settings import Settings

FOLDER = "frames/"
ACTOR = "frame-cleaner"


class CleaningParts(Protocol):
    """What is needed of the container."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def frames(self) -> FrameRequests: ...
    @property
    def work_blobs(self) -> BlobStore: ...


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many of each went."""

    tokens: int
    results: int
    orphans: int


def clean_expired(parts: CleaningParts, *, actor: str = ACTOR) -> Cleaned:
    """Remove what is too old; safe to run anywhere, any time, any number of times.

    Rows forget first, then bytes go: killed in between, the bytes are orphans, and the next call takes them. The ZIP of
    a request that is being worked on is nobody's orphan. ``CatalogueUnavailable`` and ``StorageUnavailable`` pass.
    """
    before = parts.clock.now() - timedelta(hours=parts.settings.frames.keep_hours)
    tokens = parts.frames.expire_tokens()
    expired = parts.frames.expire_archives(before=before, actor=actor)
    for archive in expired:
        parts.work_blobs.delete(archive.name)
    orphans = [entry.name for entry in parts.work_blobs.list(FOLDER) if not parts.frames.is_wanted(entry.name)]
    for name in orphans:
        parts.work_blobs.delete(name)
    return Cleaned(tokens=tokens, results=len(expired), orphans=len(orphans))


class FrameCleaner:
    """Cleans at its start and every ``frames.cleanup_hours`` until told to stop."""

    def __init__(self, parts: CleaningParts, *, on_event: OnEvent = log_event) -> None:
        self._parts = parts
        self._on_event = on_event

    def run(self, stop: threading.Event) -> None:
        """What does not answer is asked again the next time."""
        while True:
            try:
                clean_expired(self._parts)
            except TransientError as error:
                self._on_event("cleaning_postponed", {"exc_info": error})
            if stop.wait(self._parts.settings.frames.cleanup_hours * 3600):
                return
