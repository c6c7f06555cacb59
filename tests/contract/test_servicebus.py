"""The stand-in keeps the Service Bus contract; so must a real namespace (``OPENDRAPE_TEST_SERVICEBUS``)."""

from __future__ import annotations

import asyncio
import itertools
import os
import urllib.request
from collections.abc import Iterator

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusAuthenticationError, ServiceBusError

from tests.contract.servicebus_contract import Bus, ServiceBusContract, one
from tests.servers.bus_fixture import QUICK, broker, forgives_the_sdk, tidy
from tests.servers.servicebus import BrokerThread
from tests.servers.servicebus.process import BrokerProcess
from tests.servers.used import took_part

__all__ = ["broker", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]

_LOCK_SECONDS = 3.0
_VARIABLE = "OPENDRAPE_TEST_SERVICEBUS"


def _bus(connection_string: str, queues: Iterator[str]) -> Iterator[Bus]:
    loop = asyncio.new_event_loop()
    client = ServiceBusClient.from_connection_string(connection_string, **QUICK)
    yield Bus(client, loop, queues)
    loop.run_until_complete(client.close())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _declared(broker: BrokerThread) -> Iterator[str]:
    for number in itertools.count(1):
        name = f"contract-{number}"
        broker.call(
            lambda broker, name=name: broker.declare(
                name, lock_seconds=_LOCK_SECONDS, max_deliveries=3, duplicate_seconds=30.0
            )
        )
        yield name


class TestTheStandIn(ServiceBusContract):
    @pytest.fixture(scope="class")
    @classmethod
    def bus(cls, broker: BrokerThread) -> Iterator[Bus]:
        yield from _bus(broker.connection_string, _declared(broker))

    @pytest.fixture
    def lock_seconds(self) -> float:
        return _LOCK_SECONDS

    def test_a_refused_token_is_an_error(self, bus: Bus, broker: BrokerThread) -> None:
        """A negative test of ``$cbs``."""

        async def steps() -> None:
            _queue, sender, _receiver = bus.link()
            with pytest.raises((ServiceBusAuthenticationError, ServiceBusError)):
                await sender.__aenter__()
            await sender.close()

        broker.call(lambda broker: broker.refuse_tokens())
        try:
            bus.run(steps())
        finally:
            broker.call(lambda broker: broker.refuse_tokens(False))

    def test_a_throttled_send_is_tried_again(self, bus: Bus, broker: BrokerThread) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                broker.call(lambda broker: broker.throttle(1))
                await sender.send_messages(ServiceBusMessage("later"), timeout=30)
                await receiver.complete_message(await one(receiver))

        bus.run(steps())

    def test_a_late_answer_settles_all_the_same(self, bus: Bus, broker: BrokerThread) -> None:
        async def steps() -> None:
            queue, sender, receiver = bus.link()
            async with sender, receiver:
                broker.call(lambda broker: broker.delay_settlement(1.0))
                await sender.send_messages(ServiceBusMessage("slowly"))
                await receiver.complete_message(await one(receiver))
                assert broker.call(lambda broker: broker.counts(queue))["active"] == 0

        try:
            bus.run(steps())
        finally:
            broker.call(lambda broker: broker.delay_settlement(0.0))


class TestARealNamespace(ServiceBusContract):
    """Queues ``opendrape-test-1`` to ``-20``, empty: lock 5 s, three deliveries, duplicate detection of 30 s."""

    @pytest.fixture(scope="class")
    @classmethod
    def bus(cls) -> Iterator[Bus]:
        address = os.environ.get(_VARIABLE) or pytest.skip(f"{_VARIABLE} is not set: only the stand-in took part")
        took_part("Service Bus", "a real namespace")
        yield from _bus(address, (f"opendrape-test-{number}" for number in itertools.count(1)))

    @pytest.fixture
    def lock_seconds(self) -> float:
        return 5.0


def test_the_process_form_answers_the_administration_client_and_keeps_what_it_took(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Counts as KEDA and the SDK's administration client read them; kill -9 and a new start lose nothing."""
    broker = BrokerProcess(tmp_path_factory.mktemp("bus"), "opendrape-mask")
    broker.start()
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(_send(broker.connection_string, 7))
        loop.close()
        broker.kill()
        broker.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.control_port}/opendrape-mask", timeout=10) as answer:
            text = answer.read().decode()
        assert ">7</ActiveMessageCount>" in text
        assert ">0</DeadLetterMessageCount>" in text
        assert broker.fault("counts", queue="opendrape-mask")["active"] == 7
    finally:
        broker.stop()


async def _send(address: str, messages: int) -> None:
    async with ServiceBusClient.from_connection_string(address, **QUICK) as client:
        async with client.get_queue_sender("opendrape-mask") as sender:
            await sender.send_messages([ServiceBusMessage(str(number)) for number in range(messages)])
