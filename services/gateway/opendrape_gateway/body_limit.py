"""How much of a body is read, and how slowly it may come: 413 before reading more, 408 for one that stalls (H-08)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opendrape_gateway.problems import problem_response

_NONE: Final = float("inf")


class BodyLimit:
    """ASGI middleware. ``streams`` says of which requests the route itself bounds the size; slowness is bounded
    everywhere.
    """

    def __init__(
        self, app: ASGIApp, *, most_bytes: int, silence_seconds: float, streams: Callable[[Scope], bool]
    ) -> None:
        self._app, self._most_bytes, self._silence_seconds = app, most_bytes, silence_seconds
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = _NONE if self._streams(scope) else self._most_bytes
        if _declared(scope) > most:
            await problem_response(scope.get("opendrape.request_id"), 413, reason="body_too_large")(
                scope, receive, send
            )
            return
        await self._app(scope, _Body(receive, most, self._silence_seconds).receive, send)


class _Body:
    """One request's body, counted as it comes."""

    def __init__(self, receive: Receive, most_bytes: float, silence_seconds: float) -> None:
        self._receive, self._most_bytes, self._silence_seconds = receive, most_bytes, silence_seconds
        self._read, self._complete = 0, False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is the end of the connection: that may take as long as the answer
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._silence_seconds)
        except TimeoutError:
            raise HTTPException(408) from None
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._read > self._most_bytes:
            raise HTTPException(413)
        return message


def _declared(scope: Scope) -> int:
    """What Content-Length says; 0 for none. Anything else than digits the server has refused already."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0
