"""Which servers stand behind OpenDrape in a cluster, and which settings lead its services there?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from opendrape.domain.work import WorkKind
from tests.servers import postgresql as postgres
from tests.servers.azurite import Azurite, running_azurite
from tests.servers.fleet import shared_keys
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT
from tests.servers.redis import Redis, redis_running
from tests.servers.servicebus.process import BrokerProcess
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy
from tests.servers.triton import Triton, triton
from tests.servers.used import took_part

Server = TypeVar("Server")
QUEUES = tuple(f"opendrape-{kind}" for kind in WorkKind)
LOCK_SECONDS = 30.0
WORK, DESTINATION = "opendrape-work", "opendrape-deidentified"


@dataclass
class Backends:
    """The running servers and the settings that lead to them. ``absent``: what could not run here, and why."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    postgresql: PostgreSQL | None = None
    azurite: Azurite | None = None
    network: TcpProxy | None = None
    """Between the services and blob storage."""
    broker: BrokerProcess | None = None
    redis: Redis | None = None
    triton: Triton | None = None
    absent: dict[str, str] = field(default_factory=dict)

    def addresses(self) -> dict[str, str]:
        """Where each one listens, for a person."""
        found = {
            "PostgreSQL": self.postgresql and self.postgresql.port,
            "Azure Blob": self.azurite and self.azurite.port,
            "Service Bus": self.broker and self.broker.port,
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
        found.network = stack.enter_context(tcp_proxy(found.azurite.port))
        found.environment |= _containers(found.azurite, found.network.port)
        found.broker = stack.enter_context(_broker(folder / "bus"))
        found.environment["OPENDRAPE_BUS__CONNECTION_STRING"] = found.broker.connection_string
        found.environment["OPENDRAPE_BUS__LOCK_SECONDS"] = str(LOCK_SECONDS)
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


@contextmanager
def _broker(folder: Path) -> Iterator[BrokerProcess]:
    folder.mkdir(parents=True)
    broker = BrokerProcess(folder, *QUEUES, lock_seconds=LOCK_SECONDS, max_deliveries=100)
    broker.start()
    took_part("Service Bus", "the stand-in of tests/servers/servicebus (AMQP 1.0)")
    try:
        yield broker
    finally:
        broker.stop()


def _containers(azurite: Azurite, port: int) -> dict[str, str]:
    return {
        "OPENDRAPE_BLOBS__CONNECTION_STRING": azurite.connection_string(port),
        "OPENDRAPE_BLOBS__WORK_CONTAINER": WORK,
        "OPENDRAPE_BLOBS__DESTINATION_CONTAINER": DESTINATION,
        "OPENDRAPE_BLOBS__REQUEST_SECONDS": "10",
    }


@contextmanager
def _triton(folder: Path, models: Path) -> Iterator[Triton]:
    """Triton over the same models, rendered for its Python backend."""
    own = folder / "triton-models"  # what lies in the shared folder decides other tests
    shutil.copytree(models / "onnxruntime", own / "onnxruntime")
    command = [sys.executable, "-m", "opendrape_masker.models_sync", "--models-dir", str(own)]
    subprocess.run([*command, "--target", "triton-python"], cwd=ROOT, check=True, capture_output=True, timeout=280)
    with triton(own / "triton-python", folder / "triton") as server:
        yield server
