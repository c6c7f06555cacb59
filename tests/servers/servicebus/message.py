"""What is in an AMQP message: sections kept byte for byte, and the few that a broker rewrites."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.servicebus.codec import Described, Malformed, Symbol, UInt, ULong, decode, encode

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, SEQUENCE, VALUE, FOOTER = range(0x70, 0x79)
BATCH_FORMAT = 0x80013700
_SCHEDULED = "x-opt-scheduled-enqueue-time"


@dataclass(frozen=True)
class Content:
    """A message as a client sent it. ``properties``, ``application`` and ``body`` are encoded sections, unchanged."""

    properties: bytes = b""
    application: bytes = b""
    body: bytes = b""
    annotations: Mapping[Any, Any] = field(default_factory=dict)
    message_id: str | None = None
    ttl_ms: int | None = None
    scheduled_ms: int | None = None


def sections(data: bytes) -> list[tuple[int, Any, bytes]]:
    """Code, value and bytes of each section."""
    found, at = [], 0
    while at < len(data):
        described, end = decode(data, at)
        if not isinstance(described, Described):
            raise Malformed("a section has no descriptor")
        found.append((int(described.descriptor), described.value, data[at:end]))
        at = end
    return found


def read(data: bytes) -> Content:
    """One message from its bytes."""
    parts: dict[str, Any] = {}
    body = b""
    for code, value, raw in sections(data):
        if code == HEADER and len(value) > 2:
            parts["ttl_ms"] = value[2]
        elif code == ANNOTATIONS:
            parts["annotations"] = value
            parts["scheduled_ms"] = value.get(_SCHEDULED)
        elif code == PROPERTIES:
            parts["properties"] = raw
            parts["message_id"] = None if not value or value[0] is None else str(value[0])
        elif code == APPLICATION:
            parts["application"] = raw
        elif code >= DATA:
            body += raw
    return Content(**parts, body=body)


def split(data: bytes, message_format: int) -> list[Content]:
    """The messages of one transfer: of a batch each data section is a whole one."""
    if message_format != BATCH_FORMAT:
        return [read(data)]
    return [read(value) for code, value, _ in sections(data) if code == DATA]


def section(code: int, value: Any) -> bytes:
    """One section as bytes, with the small descriptor that the SDK insists on."""
    return encode(Described(ULong(code), value))


def delivered(
    content: Content,
    *,
    count: int,
    annotations: Mapping[str, Any],
    dead_letter: tuple[str, str] | None = None,
) -> bytes:
    """The message as a receiver gets it; ``dead_letter`` is reason and description."""
    ttl = None if content.ttl_ms is None else UInt(content.ttl_ms)
    ours = {**content.annotations, **{Symbol(name): value for name, value in annotations.items()}}
    application = content.application
    if dead_letter is not None:
        known = decode(application)[0].value if application else {}
        reason, description = dead_letter
        known = known | {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        application = section(APPLICATION, known)
    header = section(HEADER, [None, None, ttl, None, UInt(count)])
    return header + section(ANNOTATIONS, ours) + content.properties + application + content.body


@dataclass(frozen=True)
class Request:
    """A request to ``$cbs`` or ``$management``."""

    message_id: Any
    options: Mapping[str, Any]
    body: Any


def request(data: bytes) -> Request:
    """A request from its bytes."""
    by_code = {code: value for code, value, _ in sections(data)}
    properties = by_code.get(PROPERTIES) or [uuid.uuid4()]
    return Request(properties[0], by_code.get(APPLICATION, {}), by_code.get(VALUE))


def reply(correlation_id: Any, options: Mapping[str, Any], body: Any = None) -> bytes:
    """The answer to a request."""
    properties = section(PROPERTIES, [None, None, None, None, None, correlation_id])
    return properties + section(APPLICATION, dict(options)) + section(VALUE, body)
