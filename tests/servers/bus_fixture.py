"""A broker and doorbells on it, for tests that are not asynchronous: queues of their own for each."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from opendrape.adapters.service_bus import BusClient, ServiceBusDoorbell
from opendrape.domain.work import WorkKind
from opendrape.settings import BusSettings
from tests.servers.servicebus import BrokerThread, broker_thread
from tests.servers.used import took_part

QUICK = {"retry_backoff_factor": 0.05}
"""Options of the SDK's client that make its retries short."""

forgives_the_sdk = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
"""The SDK drops sockets unclosed when a broker vanishes under it; ``tidy`` lets them go within the test."""

_numbers = itertools.count(1)


@dataclass
class Namespace:
    """A broker, and names that no other test uses."""

    broker: BrokerThread
    prefix: str = field(default_factory=lambda: f"t{os.getpid()}-{next(_numbers)}-")

    def declare(self, *, lock_seconds: float = 60.0, max_deliveries: int = 10) -> Namespace:
        """Make a queue for each kind of work."""
        for kind in WorkKind:
            name = self.queue(kind)
            self.broker.call(
                lambda broker, name=name: broker.declare(
                    name, lock_seconds=lock_seconds, max_deliveries=max_deliveries, duplicate_seconds=60.0
                )
            )
        return self

    def queue(self, kind: WorkKind) -> str:
        """Its name."""
        return f"{self.prefix}{kind.value}"

    def counts(self, kind: WorkKind) -> dict[str, int]:
        """Its messages by state."""
        return self.broker.call(lambda broker: broker.counts(self.queue(kind)))

    def settings(self, *, lock_seconds: float = 60.0) -> BusSettings:
        """What reaches it."""
        return BusSettings(
            connection_string=SecretStr(self.broker.connection_string),
            queue_prefix=self.prefix,
            lock_seconds=lock_seconds,
            try_timeout_seconds=5.0,
        )

    @contextmanager
    def doorbell(self, *, lock_seconds: float = 60.0) -> Iterator[ServiceBusDoorbell]:
        """A doorbell while the context lasts."""
        bell = ServiceBusDoorbell(BusClient(self.settings(lock_seconds=lock_seconds), options=QUICK))
        try:
            yield bell
        finally:
            bell.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerThread]:
    """The stand-in, in this process, for a whole session."""
    with broker_thread() as running:
        took_part("Service Bus", "stand-in of this repository, azure-servicebus over a loopback socket")
        yield running


@pytest.fixture
def tidy() -> Iterator[None]:
    """Collect what the SDK left, while its warnings are still forgiven."""
    yield
    gc.collect()


@pytest.fixture
def namespace(broker: BrokerThread) -> Namespace:
    """Queues for one test."""
    return Namespace(broker).declare()
