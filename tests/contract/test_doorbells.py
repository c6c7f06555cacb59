"""The bell within a process and the one over Service Bus keep the same contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.ports.doorbell import Doorbell
from tests.contract.doorbell_contract import DoorbellContract
from tests.servers.bus_fixture import Namespace, broker, forgives_the_sdk, tidy
from tests.servers.servicebus import BrokerThread

__all__ = ["broker", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]


@contextmanager
def _in_process() -> Iterator[Doorbell]:
    yield InProcessDoorbell()


class TestInProcess(DoorbellContract):
    make = staticmethod(_in_process)


class TestOverServiceBus(DoorbellContract):
    @pytest.fixture
    def bell(self, broker: BrokerThread) -> Iterator[Doorbell]:
        with Namespace(broker).declare().doorbell() as bell:
            yield bell
