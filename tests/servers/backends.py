"""Which servers stand behind OpenDrape in a cluster, and which settings lead its services there?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.servers import postgresql as postgres
from tests.servers.azurite import Azurite, running_azurite
from tests.servers.fleet import shared_keys
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT
from tests.servers.redis import Redis, redis_running
from tests.servers.triton import Triton, triton

Server = TypeVar("Server")
WORK, DESTINATION = "opendrape-work", "opendrape-deidentified"


@dataclass
class Backends:
    """The running servers and the settings that lead to them. ``absent``: what could not run here, and why."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    postgresql: PostgreSQL | None = None
    azurite: Azurite | None = None
    redis: Redis | None = None
    triton: Triton | None = None
    absent: dict[str, str] = field(default_factory=dict)

    def addresses(self) -> dict[str, str]:
        """Where each one listens, for a person."""
        found = {
            "PostgreSQL": self.postgresql and self.postgresql.port,
            "Azure Blob": self.azurite and self.azurite.port,
            "Redis": self.redis and self.redis.port,
            "Triton": self.triton and self.triton.grpc_port,
        }
        return {
            name: f"127.0.0.1:{port}" if port else f"not here: {self.absent.get(name, 'not asked for')}"
            for name, port in found.items()
        }


@contextmanager
def backends(folder: Path, models: Path, *, with_triton: bool = True, durable: bool = True) -> Iterator[Backends]:
    """PostgreSQL and blob storage (needed: skips without them), Redis and Triton where they can run."""
    found = Backends(folder, shared_keys(folder, models))
    with ExitStack() as stack:
        found.postgresql = stack.enter_context(postgres.cluster(durable=durable))
        found.environment["OPENDRAPE_CATALOGUE__URL"] = found.postgresql.empty()
        found.environment["OPENDRAPE_KEYS__MAP_FILE"] = str(folder / "key_map.sqlite3")
        (folder / "azurite").mkdir(parents=True)
        found.azurite = stack.enter_context(running_azurite(folder / "azurite"))
        found.environment |= _containers(found.azurite)
        found.redis = _where_possible(found, "Redis", lambda: stack.enter_context(redis_running(folder / "redis")))
        if with_triton:
            found.triton = _where_possible(found, "Triton", lambda: stack.enter_context(_triton(folder, models)))
        if found.triton is not None:
            found.environment["OPENDRAPE_TRITON__URLS"] = found.triton.url
        yield found


def _where_possible(found: Backends, name: str, start: Callable[[], Server]) -> Server | None:
    try:
        return start()
    except pytest.skip.Exception as reason:
        found.absent[name] = str(reason)
        return None


def _containers(azurite: Azurite) -> dict[str, str]:
    return {
        "OPENDRAPE_BLOBS__CONNECTION_STRING": azurite.connection_string(),
        "OPENDRAPE_BLOBS__WORK_CONTAINER": WORK,
        "OPENDRAPE_BLOBS__DESTINATION_CONTAINER": DESTINATION,
        "OPENDRAPE_BLOBS__REQUEST_SECONDS": "10",
    }


@contextmanager
def _triton(folder: Path, models: Path) -> Iterator[Triton]:
    """Triton over the same models, rendered for its Python backend."""
    command = [sys.executable, "-m", "opendrape_masker.models_sync", "--models-dir", str(models)]
    subprocess.run([*command, "--target", "triton-python"], cwd=ROOT, check=True, capture_output=True, timeout=280)
    with triton(models / "triton-python", folder / "triton") as server:
        yield server
