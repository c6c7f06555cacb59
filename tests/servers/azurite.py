"""How is a real blob server had in a test: Azurite on loopback with an account, port and folder of its own?"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.process import SERVERS, Running, free_port, listens, start, wait_until
from tests.servers.used import absent, took_part

ACCOUNT = "opendrapetests"
_PROGRAM = SERVERS / "azurite" / "node_modules" / "azurite"


@dataclass
class Azurite:
    """A running Azurite. ``restart`` and ``kill`` keep what was stored; the port stays the same."""

    folder: Path
    port: int = field(default_factory=free_port)
    key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())
    keep_alive_seconds: int = 5
    server: Running | None = None

    def connection_string(self, port: int | None = None) -> str:
        """For the SDK; ``port`` of a proxy that leads here."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.url(port)};"
        )

    def url(self, port: int | None = None) -> str:
        """The account's address."""
        return f"http://127.0.0.1:{port or self.port}/{ACCOUNT}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["node", str(_PROGRAM / "dist" / "src" / "blob" / "main.js"), "--silent", "--disableTelemetry"]
        command += ["--skipApiVersionCheck", "--location", str(self.folder), "--blobPort", str(self.port)]
        command += ["--blobKeepAliveTimeout", str(self.keep_alive_seconds)]
        environment = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}
        self.server = start(command, log=self.folder / "azurite.log", environment=environment, folder=self.folder)
        wait_until(lambda: listens(self.port), self.server)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.server is not None
        self.server.kill()

    def freeze(self) -> None:
        """Let it hang: connections open, no answers."""
        assert self.server is not None
        self.server.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        assert self.server is not None
        self.server.thaw()

    def stop(self) -> None:
        """End it in order: Azurite writes its index on SIGINT and SIGTERM."""
        assert self.server is not None
        self.server.stop()

    def restart(self) -> None:
        """Stop and start on the same port with the same data."""
        self.stop()
        self.start()


def version() -> str:
    """The installed version; skips the test when there is none."""
    package = _PROGRAM / "package.json"
    if not package.is_file() or not any(Path(p, "node").exists() for p in os.environ["PATH"].split(os.pathsep)):
        absent("Azure Blob", "Azurite is not installed; make servers")
    return str(json.loads(package.read_text())["version"])


@contextmanager
def running_azurite(folder: Path, *, keep_alive_seconds: int = 5) -> Iterator[Azurite]:
    """An Azurite of one's own while the context lasts, to kill and freeze."""
    found = version()
    server = Azurite(folder, keep_alive_seconds=keep_alive_seconds)
    server.start()
    took_part("Azure Blob", f"Azurite {found}")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The Azurite that a run's tests share; each test takes a container of its own."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def container_name() -> str:
    """A name for a container that nobody has made yet."""
    return f"test-{secrets.token_hex(8)}"
