"""What a Service Bus namespace does for the unmodified asynchronous SDK: our stand-in and the service itself.

Every test has a queue of its own. ``lock_seconds`` is that of the queues; a real namespace needs no less than five.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import MessageLockLostError, MessageSizeExceededError, MessagingEntityNotFoundError


class Bus:
    """A client on a loop of its own, and the names of queues that are empty."""

    def __init__(self, client: ServiceBusClient, loop: asyncio.AbstractEventLoop, queues: Iterator[str]) -> None:
        self.client, self._loop, self._queues = client, loop, queues

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """To its end, within a minute."""
        self._loop.run_until_complete(asyncio.wait_for(work, 60.0))

    def link(self) -> tuple[str, ServiceBusSender, ServiceBusReceiver]:
        """A queue, a sender to it and a receiver from it, not yet open."""
        queue = next(self._queues)
        return queue, self.client.get_queue_sender(queue), self.client.get_queue_receiver(queue)


async def one(receiver: ServiceBusReceiver, seconds: float = 20.0) -> Any:
    """The next message."""
    [message] = await receiver.receive_messages(max_message_count=1, max_wait_time=seconds)
    return message


class ServiceBusContract:
    """``bus`` and ``lock_seconds`` are fixtures; ``max_deliveries`` of the queues is 3."""

    def test_messages_arrive_in_order_and_completed_ones_never_again(self, bus: Bus) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                await sender.send_messages([ServiceBusMessage(str(number)) for number in range(20)])
                await sender.send_messages(ServiceBusMessage(b"\x00\xff" * 10, application_properties={"a": 1}))
                seen = []
                while len(seen) < 21:
                    for message in await receiver.receive_messages(max_message_count=10, max_wait_time=20):
                        seen.append(b"".join(message.body))
                        await receiver.complete_message(message)
                assert seen == [str(number).encode() for number in range(20)] + [b"\x00\xff" * 10]
                assert message.application_properties == {b"a": 1}
                assert await receiver.receive_messages(max_message_count=1, max_wait_time=1) == []

        bus.run(steps())

    def test_an_abandoned_message_comes_again_and_is_buried_in_the_end(self, bus: Bus) -> None:
        async def steps() -> None:
            queue, sender, receiver = bus.link()
            buried = bus.client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
            async with sender, receiver, buried:
                await sender.send_messages(ServiceBusMessage("again"))
                numbers = set()
                for failures in range(3):
                    message = await one(receiver)
                    numbers.add(message.sequence_number)
                    assert message.delivery_count == failures
                    await receiver.abandon_message(message)
                assert len(numbers) == 1
                dead = await one(buried)
                assert (str(dead), dead.dead_letter_reason) == ("again", "MaxDeliveryCountExceeded")
                await buried.complete_message(dead)

        bus.run(steps())

    def test_a_lock_that_runs_out_frees_the_message_and_settles_nothing(self, bus: Bus, lock_seconds: float) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                await sender.send_messages(ServiceBusMessage("late"))
                first = await one(receiver)
                again = await one(receiver, seconds=lock_seconds + 20.0)
                assert (again.sequence_number, again.delivery_count) == (first.sequence_number, 1)
                with pytest.raises(MessageLockLostError):
                    await receiver.complete_message(first)
                await receiver.complete_message(again)

        bus.run(steps())

    def test_a_renewed_lock_outlives_its_first_end(self, bus: Bus, lock_seconds: float) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                await sender.send_messages(ServiceBusMessage("long"))
                message = await one(receiver)
                first_end = message.locked_until_utc
                while datetime.now(UTC) < first_end + timedelta(seconds=1.0):
                    await asyncio.sleep(lock_seconds / 4)
                    assert await receiver.renew_message_lock(message, timeout=5) > first_end
                await receiver.complete_message(message)
                assert await receiver.receive_messages(max_message_count=1, max_wait_time=1) == []

        bus.run(steps())

    def test_a_message_is_buried_with_a_reason_and_peeked_at(self, bus: Bus) -> None:
        async def steps() -> None:
            queue, sender, receiver = bus.link()
            buried = bus.client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
            async with sender, receiver, buried:
                await sender.send_messages(ServiceBusMessage("bad", application_properties={"kept": "yes"}))
                await receiver.dead_letter_message(await one(receiver), reason="why", error_description="because")
                for _ in range(2):
                    [seen] = await buried.peek_messages(5, sequence_number=1, timeout=10)
                    assert (seen.dead_letter_reason, seen.dead_letter_error_description) == ("why", "because")
                    assert seen.application_properties[b"kept"] == b"yes"
                assert await buried.peek_messages(5, sequence_number=seen.sequence_number + 1, timeout=10) == []

        bus.run(steps())

    def test_a_deferred_message_is_for_who_knows_its_number(self, bus: Bus) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                await sender.send_messages(ServiceBusMessage("aside"))
                message = await one(receiver)
                await receiver.defer_message(message)
                assert await receiver.receive_messages(max_message_count=1, max_wait_time=1) == []
                [again] = await receiver.receive_deferred_messages([message.sequence_number])
                assert str(again) == "aside"
                await receiver.complete_message(again)

        bus.run(steps())

    def test_a_scheduled_message_comes_when_it_is_due_unless_cancelled(self, bus: Bus) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                soon = datetime.now(UTC) + timedelta(seconds=2.0)
                due, cancelled = await sender.schedule_messages(
                    [ServiceBusMessage("due"), ServiceBusMessage("no")], soon
                )
                await sender.cancel_scheduled_messages([cancelled])
                message = await one(receiver)
                assert str(message) == "due"
                assert message.sequence_number > due
                assert datetime.now(UTC) >= soon - timedelta(seconds=0.5)
                await receiver.complete_message(message)

        bus.run(steps())

    def test_a_message_sent_twice_under_one_id_arrives_once(self, bus: Bus) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                for _ in range(2):
                    await sender.send_messages(ServiceBusMessage("once", message_id="the same"))
                await receiver.complete_message(await one(receiver))
                assert await receiver.receive_messages(max_message_count=1, max_wait_time=1) == []

        bus.run(steps())

    def test_large_messages_pass_and_too_large_ones_are_refused(self, bus: Bus) -> None:
        async def steps() -> None:
            _queue, sender, receiver = bus.link()
            async with sender, receiver:
                await sender.send_messages(ServiceBusMessage(b"x" * 200_000))
                with pytest.raises(MessageSizeExceededError):
                    await sender.send_messages(ServiceBusMessage(b"x" * 2_000_000))
                message = await one(receiver)
                assert len(b"".join(message.body)) == 200_000
                await receiver.complete_message(message)

        bus.run(steps())

    def test_receive_and_delete_leaves_nothing(self, bus: Bus) -> None:
        async def steps() -> None:
            queue, sender, receiver = bus.link()
            taker = bus.client.get_queue_receiver(queue, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
            async with sender, taker, receiver:
                await sender.send_messages([ServiceBusMessage("gone"), ServiceBusMessage("gone")])
                taken: list[object] = []
                while len(taken) < 2:
                    taken += await taker.receive_messages(max_message_count=2, max_wait_time=20)
                assert await receiver.peek_messages(1, sequence_number=1, timeout=10) == []

        bus.run(steps())

    def test_an_unknown_queue_is_an_error(self, bus: Bus) -> None:
        async def steps() -> None:
            receiver = bus.client.get_queue_receiver(f"nobody-{uuid.uuid4().hex}")
            with pytest.raises(MessagingEntityNotFoundError):
                await receiver.__aenter__()
            await receiver.close()

        bus.run(steps())
