"""How a process that masks lets others know that it is there, also while it has nothing to do."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from typing import Final, Protocol

from opendrape.errors import TransientError
from opendrape.ports.frames import FrameRequests
from opendrape.settings import Settings

EVERY_SECONDS: Final = 30.0


class _Parts(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def frames(self) -> FrameRequests: ...


class Presence:
    """Says so at its start and every half minute until told to stop; a silent catalogue is asked again."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._name = f"masker-{os.getpid()}-{secrets.token_hex(4)}"

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        while True:
            with contextlib.suppress(TransientError):
                self._parts.frames.here(self._name, slots=self._parts.settings.masker.slots)
            if stop.wait(EVERY_SECONDS):
                return
