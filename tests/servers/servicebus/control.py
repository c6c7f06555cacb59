"""The broker's HTTP side on loopback: counts as the administration client asks for them, and faults by name.

``GET /QUEUE`` is the service's own answer (Atom XML, what KEDA and the SDK's administration client read);
``POST /faults/NAME`` with a JSON object of arguments calls the method of that name of :class:`Broker`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.servers.servicebus.broker import Broker

FAULTS = frozenset(
    {"close_connections", "counts", "declare", "delay_settlement", "detach_links", "drop_connections", "duplicate_next"}
    | {"go_silent", "lose_locks", "refuse_renew", "refuse_tokens", "reorder", "throttle"}
)
_ATOM = "http://www.w3.org/2005/Atom"
_SERVICEBUS = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
_COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus"


async def serve_control(broker: Broker, port: int) -> asyncio.Server:
    """Listen; the caller closes the server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(
                (int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0
            )
            status, kind, body = _answer(broker, head.split(" ", 2)[:2], await reader.readexactly(length))
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", port)


def _answer(broker: Broker, line: list[str], body: bytes) -> tuple[str, str, bytes]:
    method, target = line
    path = target.split("?")[0].strip("/").lower()
    if method == "POST" and path.startswith("faults/"):
        return _fault(broker, path.removeprefix("faults/"), json.loads(body or b"{}"))
    if method == "GET" and path in broker.store.queues():
        return "200 OK", "application/atom+xml", _entry(path, broker.counts(path)).encode()
    if method == "GET":
        return "200 OK", "application/atom+xml", f'<feed xmlns="{_ATOM}"></feed>'.encode()
    return "404 Not Found", "text/plain", b""


def _fault(broker: Broker, name: str, arguments: dict[str, Any]) -> tuple[str, str, bytes]:
    if name not in FAULTS:
        return "404 Not Found", "text/plain", b""
    try:
        result = getattr(broker, name)(**arguments)
    except (TypeError, KeyError) as problem:
        return "400 Bad Request", "text/plain", repr(problem).encode()
    return "200 OK", "application/json", json.dumps({"result": result}).encode()


def _entry(queue: str, counts: dict[str, int]) -> str:
    numbers = {
        "ActiveMessageCount": counts["active"],
        "DeadLetterMessageCount": counts["dead"],
        "ScheduledMessageCount": counts["scheduled"],
        "TransferDeadLetterMessageCount": 0,
        "TransferMessageCount": 0,
    }
    details = "".join(f'<{name} xmlns="{_COUNTS}">{number}</{name}>' for name, number in numbers.items())
    total = counts["active"] + counts["deferred"] + counts["scheduled"] + counts["dead"]
    return (
        f'<entry xmlns="{_ATOM}"><title type="text">{queue}</title><content type="application/xml">'
        f'<QueueDescription xmlns="{_SERVICEBUS}"><SizeInBytes>0</SizeInBytes><MessageCount>{total}</MessageCount>'
        f"<CountDetails>{details}</CountDetails></QueueDescription></content></entry>"
    )
