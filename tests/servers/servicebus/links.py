"""One session of one connection: which links it has, what comes in over them, what goes out."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.servers.servicebus import message
from tests.servers.servicebus.codec import Described, Symbol, UByte, UInt, ULong
from tests.servers.servicebus.frames import Frame, Performative, State, accepted, disposition, error, frame, rejected
from tests.servers.servicebus.requests import manage, put_token

if TYPE_CHECKING:
    from tests.servers.servicebus.connection import Connection

CBS, MANAGEMENT = "$cbs", "/$management"
LARGEST_MESSAGE = 262144
_CREDIT = 1000
_WINDOW = 2**31 - 1
_LOCK_LOST = "com.microsoft:message-lock-lost"


@dataclass
class Link:
    """``address`` is the queue, or the node that answers requests; ``sends`` is True when the broker is the sender."""

    name: str
    handle: int
    address: str
    sends: bool
    settled: bool = False
    credit: int = 0
    delivered: int = 0
    partial: bytes = b""
    first: tuple[int, int, bool] | None = None

    @property
    def answers_requests(self) -> bool:
        """True for ``$cbs`` and ``$management``."""
        return self.address == CBS or self.address.endswith(MANAGEMENT)


def address_of(terminus: Any) -> str:
    """The path of a source or target, without scheme and host."""
    text = str(terminus.value[0]) if isinstance(terminus, Described) and terminus.value else ""
    return text.split("://", 1)[-1].partition("/")[2].lower() if "://" in text else text.lower()


@dataclass
class Session:
    """Everything on one channel."""

    connection: Connection
    channel: int
    next_incoming: int
    window: int
    next_outgoing: int = 0
    next_delivery: int = 0
    links: dict[int, Link] = field(default_factory=dict)
    unsettled: dict[int, uuid.UUID] = field(default_factory=dict)

    def handle(self, given: Frame) -> None:
        """Do what a frame asks for."""
        match given.code:
            case Performative.ATTACH:
                self._attach(given)
            case Performative.FLOW:
                self._flow(given)
            case Performative.TRANSFER:
                self._transfer(given)
            case Performative.DISPOSITION if given.field(0):
                self._disposition(given)
            case Performative.DETACH:
                self.links.pop(int(given.field(0)), None)
                self._write(Performative.DETACH, UInt(given.field(0)), True, None)
            case _:
                pass

    def _write(self, code: int, *fields: Any, payload: bytes = b"") -> None:
        self.connection.write(frame(code, *fields, channel=self.channel, payload=payload))

    # -- links ----------------------------------------------------------------------------------------------------
    def _attach(self, given: Frame) -> None:
        name, handle, client_receives = given.field(0), given.field(1), bool(given.field(2))
        source, target = given.field(5), given.field(6)
        link = Link(name, int(handle), address_of(source if client_receives else target), sends=client_receives)
        link.settled = given.field(3) == 1
        known = link.address == CBS or self.connection.broker.store.knows(link.address.removesuffix(MANAGEMENT))
        self._write(
            Performative.ATTACH,
            name,
            UInt(handle),
            not client_receives,
            UByte(given.field(3) if given.field(3) is not None else 2),
            UByte(given.field(4) or 0),
            source if known else None,
            target if known else None,
            None,
            None,
            UInt(0) if client_receives else None,
            ULong(LARGEST_MESSAGE),
            None,
            None,
            {Symbol("com.microsoft:max-message-batch-size"): ULong(LARGEST_MESSAGE)},
        )
        if not known:
            self._write(Performative.DETACH, UInt(handle), True, error("amqp:not-found", "no such queue"))
            return
        self.links[link.handle] = link
        if not link.sends:
            self._give_credit(link)

    def detach(self, link: Link, condition: str) -> None:
        """End a link from our side, with an error."""
        self.links.pop(link.handle, None)
        self._write(Performative.DETACH, UInt(link.handle), True, error(condition, "the broker ended the link"))

    def _give_credit(self, link: Link) -> None:
        link.credit = _CREDIT
        self._write_flow(link)

    def _write_flow(self, link: Link, *, drain: bool = False) -> None:
        numbers = (UInt(self.next_incoming), UInt(_WINDOW), UInt(self.next_outgoing), UInt(_WINDOW))
        self._write(
            Performative.FLOW, *numbers, UInt(link.handle), UInt(link.delivered), UInt(link.credit), UInt(0), drain
        )

    def _flow(self, given: Frame) -> None:
        if given.field(0) is not None:
            self.window = int(given.field(0)) + int(given.field(1)) - self.next_outgoing
        link = self.links.get(given.field(4)) if given.field(4) is not None else None
        if link is not None and link.sends:
            link.credit = max(0, int(given.field(5) or 0) + int(given.field(6) or 0) - link.delivered)
            if given.field(8):
                link.credit = 0
                self._write_flow(link, drain=True)
        self.connection.broker.pump()

    # -- in -------------------------------------------------------------------------------------------------------
    def _transfer(self, given: Frame) -> None:
        self.next_incoming = (self.next_incoming + 1) % 2**32
        link = self.links.get(given.field(0))
        if link is None:
            return
        if link.first is None:
            link.first = (int(given.field(1)), int(given.field(3) or 0), bool(given.field(4)))
        link.partial += given.payload
        if given.field(5):
            return
        delivery, message_format, settled = link.first
        data, link.partial, link.first = link.partial, b"", None
        state = self._answer_request(link, data) if link.answers_requests else self._store(link, data, message_format)
        if not settled:
            self.connection.write(disposition(self.channel, receiver=True, delivery=delivery, state=state))
        self.connection.broker.pump()
        link.delivered += 1
        link.credit -= 1
        if link.credit < _CREDIT // 2:
            self._give_credit(link)

    def _store(self, link: Link, data: bytes, message_format: int) -> Described:
        broker = self.connection.broker
        if len(data) > LARGEST_MESSAGE:
            return rejected("amqp:link:message-size-exceeded", "the message is too large")
        if broker.faults.throttle > 0:
            broker.faults.throttle -= 1
            return rejected("com.microsoft:server-busy", "too many requests")
        copies = 1
        if broker.faults.duplicate_sends > 0:
            broker.faults.duplicate_sends -= 1
            copies = 2
        broker.store.put(link.address, message.split(data, message_format), copies=copies)
        return accepted()

    def _answer_request(self, link: Link, data: bytes) -> Described:
        broker, asked = self.connection.broker, message.request(data)
        if link.address == CBS:
            answer = put_token(asked, broker.faults)
        else:
            answer = manage(broker.store, broker.faults, link.address.removesuffix(MANAGEMENT), asked).encoded(
                asked.message_id
            )
        for back in self.links.values():
            if back.sends and back.address == link.address:
                self.send(back, uuid.uuid4(), answer, settled=True)
                break
        return accepted()

    # -- out ------------------------------------------------------------------------------------------------------
    def send(self, link: Link, token: uuid.UUID, data: bytes, *, settled: bool) -> None:
        """One delivery, in as many frames as the client wants."""
        delivery, tag = self.next_delivery, token.bytes_le
        self.next_delivery = (delivery + 1) % 2**32
        room = self.connection.largest_frame - 512
        pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
        for number, piece in enumerate(pieces):
            head = (UInt(link.handle), UInt(delivery), tag, UInt(0), settled, number < len(pieces) - 1)
            self._write(Performative.TRANSFER, *head, payload=piece)
        self.next_outgoing = (self.next_outgoing + len(pieces)) % 2**32
        self.window -= len(pieces)
        link.delivered = (link.delivered + 1) % 2**32
        link.credit -= 1
        if not settled:
            self.unsettled[delivery] = token

    def _disposition(self, given: Frame) -> None:
        first = int(given.field(1))
        last = first if given.field(2) is None else int(given.field(2))
        for delivery in range(first, last + 1):
            token = self.unsettled.pop(delivery, None)
            if token is not None:
                self._settle(delivery, token, given.field(4), is_answered=not given.field(3))
        self.connection.broker.pump()

    def _settle(self, delivery: int, token: uuid.UUID, state: Any, *, is_answered: bool) -> None:
        answer = self._settled(token, state)
        if not is_answered:
            return
        said = disposition(self.channel, receiver=False, delivery=delivery, state=answer)
        delay = self.connection.broker.faults.settle_delay_seconds
        if delay:
            asyncio.get_running_loop().call_later(delay, self.connection.write, said)
        else:
            self.connection.write(said)

    def _settled(self, token: uuid.UUID, state: Any) -> Any:
        store, lost = self.connection.broker.store, rejected(_LOCK_LOST, "the lock is gone")
        match int(state.descriptor) if isinstance(state, Described) else None:
            case State.ACCEPTED:
                return accepted() if store.complete(token) else lost
            case State.RELEASED:
                return state if store.release(token) else lost
            case State.MODIFIED:
                aside = len(state.value) > 1 and state.value[1]
                return state if (store.defer(token) if aside else store.abandon(token)) else lost
            case State.REJECTED:
                done = store.bury(token, *_why(state))
                return Described(ULong(State.REJECTED), []) if done else lost
            case _:
                return lost


def _why(state: Described) -> tuple[str, str]:
    info = state.value[0].value[2] if state.value and state.value[0] is not None else {}
    return str((info or {}).get("DeadLetterReason", "")), str((info or {}).get("DeadLetterErrorDescription", ""))
