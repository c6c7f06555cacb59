"""How much head a request may have: uvicorn's fast protocol, which bounds nothing by itself, with a limit (H-08)."""

from __future__ import annotations

import json
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 65_536
"""Of one request: its address, all its headers and those behind its body; and of what makes no line yet."""


_PROBLEM: Final = json.dumps({"type": "about:blank", "title": "Bad Request", "status": 400}).encode()
_REFUSAL: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: "
    + str(len(_PROBLEM)).encode()
    + b"\r\n\r\n"
    + _PROBLEM
)


class HeadTooLong(Exception):
    """Stops the parser; the client is told 400 and the connection ends."""


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol over llhttp. A client's head is bounded here; the body is the app's to count."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self._head_bytes = 0
        self._pending_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Counts what the parser keeps to itself: half a line."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("too long")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """What is no HTTP is told so as any other error (RFC 9457), without a word of it; the connection ends."""
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_message_begin(self) -> None:
        """A new head."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line, of the head or behind a body."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._pending_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Not the head's."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._pending_bytes = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._pending_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            raise HeadTooLong
