"""How do OpenDrape's own services run as separate processes beside a test or for `make cluster`?"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from tests.servers.process import ROOT, Running, free_port, start, wait_until

SERVICES = ("gateway", "ingest", "masker", "uploader")


@dataclass
class Service:
    """One process of one service: started, killed and started again under the same name, folder and port."""

    kind: str
    name: str
    port: int
    folder: Path
    environment: Mapping[str, str]
    state: Path
    process: Running | None = field(default=None)
    is_wanted: bool = field(default=False)
    """Whether it shall run: what ended by itself is started again where somebody keeps it running."""
    _changing: Lock = field(default_factory=Lock)

    def start(self, *, wait_seconds: float = 60) -> Running:
        """Start it and wait until it answers ``/health/live``."""
        self.process = self.launch()
        wait_until(self.is_alive, self.process, seconds=wait_seconds)
        return self.process

    def launch(self) -> Running:
        """Start it and wait for nothing."""
        with self._changing:
            return self._launch()

    def take_down(self, how: Callable[[Running], None]) -> None:
        """End it on purpose: it stays down until somebody launches it."""
        with self._changing:
            self.is_wanted = False
            if self.process is not None:
                how(self.process)

    def revive(self) -> bool:
        """Start it again when it ended by itself; True when it had."""
        with self._changing:
            has_ended = self.is_wanted and self.process is not None and not self.process.is_alive()
            if has_ended:
                self._launch()
            return has_ended

    def _launch(self) -> Running:
        self.is_wanted = True
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", f"opendrape_{self.kind}"]
        self.process = start(command, log=self.folder / "log.txt", environment=self._environment(), folder=ROOT)
        return self.process

    def is_alive(self) -> bool:
        """True when the process answers."""
        return self.ask("/health/live")[0] == 200

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/health``; (0, {}) when nobody answers."""
        status, body = self.ask("/health")
        return status, json.loads(body) if status else {}

    def ask(self, path: str) -> tuple[int, bytes]:
        """GET; (0, b"") when nobody answers in time."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except OSError:
            return 0, b""

    def _environment(self) -> dict[str, str]:
        group = "GATEWAY" if self.kind == "gateway" else "SERVICE"
        return {
            **self.environment,
            "OPENDRAPE_STATE_DIR": str(self.state),
            f"OPENDRAPE_{group}__PORT": str(self.port),
        }


@contextmanager
def fleet(
    folder: Path, environment: Mapping[str, str], *, maskers: int = 1, states: Path | None = None
) -> Iterator[dict[str, Service]]:
    """Every service answering, by name (``masker-1``, ...); ended together. ``states``: where their folders lie."""
    services = build(folder, environment, maskers=maskers, states=states)
    try:
        for service in services.values():
            service.launch()
        for service in services.values():
            assert service.process is not None
            wait_until(service.is_alive, service.process, seconds=90)
        yield services
    finally:
        stop(services)


@contextmanager
def kept_running(services: Iterable[Service], *, seconds: float = 1.0) -> Iterator[Counter[str]]:
    """What ends by itself is started again, as Kubernetes does it; gives how often by name.

    A service that finds no catalogue when it starts ends with an error: its start again is the platform's business.
    """
    watched, revived, over = list(services), Counter[str](), Event()

    def keep() -> None:
        while not over.wait(seconds):
            revived.update(service.name for service in watched if service.revive())

    keeper = Thread(target=keep, name="keeper")
    keeper.start()
    try:
        yield revived
    finally:
        over.set()
        keeper.join()


def build(
    folder: Path, environment: Mapping[str, str], *, maskers: int = 1, states: Path | None = None
) -> dict[str, Service]:
    """The services, not started. Logs and, without ``states``, state folders lie in ``folder``."""
    kinds = [(kind, kind) for kind in SERVICES if kind != "masker"]
    kinds += [("masker", f"masker-{number}") for number in range(1, maskers + 1)]
    return {
        name: Service(kind, name, free_port(), folder / name, environment, (states or folder) / name / "state")
        for kind, name in kinds
    }


def stop(services: Mapping[str, Service]) -> None:
    """Ask all to end, then wait for each."""
    started = [service.process for service in services.values() if service.process is not None]
    for process in started:
        process.thaw()
        process.process.terminate() if process.is_alive() else None
    for process in started:
        process.stop()


def shared_folders(folder: Path, models: Path) -> dict[str, str]:
    """Settings of a fleet that shares one disk: SQLite, folders and key files, each process with its own state."""
    return {
        "OPENDRAPE_CATALOGUE__URL": f"sqlite:///{folder / 'catalogue.sqlite3'}",
        "OPENDRAPE_KEYS__MAP_FILE": str(folder / "key_map.sqlite3"),
        "OPENDRAPE_WORK__FOLDER": str(folder / "work"),
        "OPENDRAPE_DESTINATION": str(folder / "out"),
        **shared_keys(folder, models),
    }


def shared_keys(folder: Path, models: Path) -> dict[str, str]:
    """What every kind of fleet shares: keys, models and quick leases."""
    return {
        "OPENDRAPE_KEYS__MAP_KEY_FILE": str(folder / "keys" / "map.json"),
        "OPENDRAPE_KEYS__RECEIPT_KEY_FILE": str(folder / "keys" / "receipt.pem"),
        "OPENDRAPE_AUDIT__KEY_FILE": str(folder / "keys" / "audit.json"),
        "OPENDRAPE_AUDIT__ANCHOR_FILE": str(folder / "audit.anchors"),
        "OPENDRAPE_KEYS__WEBHOOK_KEY_FILE": str(folder / "keys" / "webhook.key"),
        "OPENDRAPE_UPLOADS__FOLDER": str(folder / "uploads"),
        "OPENDRAPE_MODELS__FOLDER": str(models),
        "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
        "OPENDRAPE_WORK__LEASE_SECONDS": "4",
        "OPENDRAPE_WORK__HEARTBEAT_SECONDS": "0.5",
        "OPENDRAPE_WORK__SWEEP_SECONDS": "0.5",
        "OPENDRAPE_WORK__OUTAGE_RETRY_SECONDS": "2",
        "OPENDRAPE_MASKER__THREADS": "1",
        "OPENDRAPE_LOG__STYLE": "json",
    }
