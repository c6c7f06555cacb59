"""Who brings videos in a storm: a scanner of folders and a client of the HTTP door, each until its word is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from opendrape.access.key_text import KeyText
from opendrape.bootstrap import Container
from opendrape.domain.policy import Policy
from opendrape.errors import OpenDrapeError
from opendrape_ingest.scan import scan

ACCEPTED = 202
LATER = (408, 429)


@dataclass(frozen=True)
class Door:
    """The gateway, and a key that opens it. ``environment``: the settings that make the gateway know the key."""

    environment: dict[str, str]
    key: KeyText

    @classmethod
    def with_new_key(cls, folder: Path) -> Door:
        """The key is in a private file of ``folder``."""
        key, file = KeyText.draw(), folder / "first-key"
        file.touch(mode=0o600)
        file.write_text(key.shown())
        return cls({"OPENDRAPE_ACCESS__FIRST_KEY_FILE": str(file), "OPENDRAPE_UPLOADS__RESERVE_BYTES": "0"}, key)

    def send(self, port: int, video: Path, policy: str) -> str | None:
        """Upload a whole video; None when it was accepted, else why not (yet)."""
        headers = {"Authorization": f"Bearer {self.key.shown()}"}
        try:
            with video.open("rb") as content:
                answer = httpx.post(
                    f"http://127.0.0.1:{port}/api/videos/",
                    params={"policy": policy},
                    files={"file": (video.name, content)},
                    headers=headers,
                    timeout=20,
                )
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code == ACCEPTED:
            return None
        assert answer.status_code in LATER or answer.status_code >= 500, answer.text
        return str(answer.status_code)


@dataclass
class Arrivals:
    """Brings folder after folder: every second one through the door, the others by a scan."""

    container: Container
    policy: Policy
    folders: Sequence[Path]
    every_seconds: float
    door: Callable[[Path], str | None]
    """Sends one video; None when it was accepted."""
    refused: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Until all are accepted, or told to stop."""
        for number, folder in enumerate(self.folders):
            bring = self._send if number % 2 else self._scan
            while not stop.is_set() and (why := bring(folder)) is not None:
                self.refused.append(why)
                stop.wait(0.5)
            stop.wait(self.every_seconds)

    def _send(self, folder: Path) -> str | None:
        (video,) = folder.glob("*.mp4")
        return self.door(video)

    def _scan(self, folder: Path) -> str | None:
        try:
            self.container.policies.remember(self.policy)
            scan(self.container, folder, self.policy)
        except OpenDrapeError as error:
            return error.reason
        return None
