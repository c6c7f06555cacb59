"""One client's connection: handshake, reading frames, ending."""

from __future__ import annotations

import asyncio
import struct
import uuid
from typing import TYPE_CHECKING

from tests.servers.servicebus.codec import Array, Malformed, UByte, UInt, UShort
from tests.servers.servicebus.frames import (
    AMQP_HEADER,
    LARGEST_FRAME,
    SASL_HEADER,
    Frame,
    Performative,
    error,
    frame,
    parse,
)
from tests.servers.servicebus.links import Link, Session

if TYPE_CHECKING:
    from tests.servers.servicebus.broker import Broker


class Connection:
    """Lives until the client goes away or a fault ends it."""

    def __init__(self, broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broker, self._reader, self._writer = broker, reader, writer
        self.sessions: dict[int, Session] = {}
        self.largest_frame = LARGEST_FRAME

    async def run(self) -> None:
        """Serve the client; returns when it is gone or speaks no AMQP."""
        try:
            await self._shake_hands()
            while True:
                self._handle(await self._frame())
        except (asyncio.IncompleteReadError, ConnectionError, Malformed, _Ended):
            pass
        finally:
            self.abort()

    def write(self, data: bytes) -> None:
        """Send bytes, unless the broker plays dead or the client is gone."""
        if not self.broker.faults.silent and not self._writer.is_closing():
            self._writer.write(data)

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._writer.transport.abort()

    def close(self, condition: str) -> None:
        """End it with an error, as the service does with a connection without links."""
        self.write(frame(Performative.CLOSE, error(condition, "the broker ended the connection")))
        self._writer.close()

    def outgoing(self, queue: str) -> list[tuple[Session, Link]]:
        """Links of this connection that can take a message of a queue now."""
        return [
            (session, link)
            for session in self.sessions.values()
            for link in session.links.values()
            if link.sends and link.credit > 0 and session.window > 0 and link.address == queue
        ]

    def links(self) -> list[tuple[Session, Link]]:
        """Every link."""
        return [(session, link) for session in self.sessions.values() for link in session.links.values()]

    async def _shake_hands(self) -> None:
        if await self._read(8) == SASL_HEADER:
            self.write(SASL_HEADER)
            self.write(frame(Performative.SASL_MECHANISMS, Array("symbol", ("ANONYMOUS",)), kind=1))
            await self._frame()
            self.write(frame(Performative.SASL_OUTCOME, UByte(0), kind=1))
            if await self._read(8) != AMQP_HEADER:
                raise Malformed("no header")
        self.write(AMQP_HEADER)

    async def _frame(self) -> Frame:
        header = await self._read(8)
        (size,) = struct.unpack_from(">I", header)
        if not 8 <= size <= 2**21:
            raise Malformed("a frame of that size")
        return parse(header, await self._read(size - 8))

    async def _read(self, count: int) -> bytes:
        data = await self._reader.readexactly(count)
        while self.broker.faults.silent:
            data = await self._reader.readexactly(1)  # swallow; nothing that came in is acted upon
        return data

    def _handle(self, given: Frame) -> None:
        match given.code:
            case None:
                pass
            case Performative.OPEN:
                self._open(given)
            case Performative.BEGIN:
                self._begin(given)
            case Performative.END:
                self.sessions.pop(given.channel, None)
                self.write(frame(Performative.END, None, channel=given.channel))
            case Performative.CLOSE:
                self.write(frame(Performative.CLOSE, None))
                self._writer.close()
                raise _Ended
            case _:
                session = self.sessions.get(given.channel)  # after `end` the SDK still detaches there
                if session is not None:
                    session.handle(given)

    def _open(self, given: Frame) -> None:
        self.largest_frame = min(int(given.field(2) or LARGEST_FRAME), LARGEST_FRAME)
        name = f"stand-in-{uuid.uuid4().hex[:8]}"
        self.write(
            frame(Performative.OPEN, name, None, UInt(LARGEST_FRAME), UShort(4999), UInt(240_000), None, None, None)
        )

    def _begin(self, given: Frame) -> None:
        channel = given.channel
        self.sessions[channel] = Session(self, channel, int(given.field(1)), int(given.field(2)))
        numbers = (UShort(channel), UInt(0), UInt(2**31 - 1), UInt(2**31 - 1), UInt(255))
        self.write(frame(Performative.BEGIN, *numbers, channel=channel))


class _Ended(Exception):
    pass
