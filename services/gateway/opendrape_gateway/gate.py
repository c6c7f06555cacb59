"""What stands before every address: nobody gets past without a credential, except where health is asked (H-05).

It stands before routing, so that an address that does not exist, the API's description and a route whose author forgot
its dependency are closed too. Bodies are not read before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from opendrape.errors import OpenDrapeError, SignInRequired
from opendrape_gateway.callers import CALLER_KEY
from opendrape_gateway.front import is_loopback
from opendrape_gateway.problems import problem_of
from opendrape_gateway.sign_in import Doorkeeper

OPEN_PATHS: Final = frozenset(
    {
        "/health",
        "/health/live",
        "/health/ready",
        "/api/frames/anonymize/health",
        "/api/frames/anonymize/health/",
    }
)
"""Anybody may ask: orchestrators have no key, and nothing in the answers is worth one."""

METRICS_PATH: Final = "/metrics"


class Gate:
    """ASGI middleware. ``metrics_are_open`` is asked for each request to ``/metrics``."""

    def __init__(self, app: ASGIApp, *, doorkeeper: Doorkeeper, metrics_are_open: Callable[[Scope], bool]) -> None:
        self._app, self._doorkeeper, self._metrics_are_open = app, doorkeeper, metrics_are_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._doorkeeper.admit(Headers(scope=scope).getlist("authorization"), address_of(scope))
        except OpenDrapeError as refusal:
            answer = problem_of(refusal, scope.get("opendrape.request_id"))
            if isinstance(refusal, SignInRequired) and refusal.reason != SignInRequired.default_reason:
                answer.headers["WWW-Authenticate"] = 'Bearer realm="opendrape", error="invalid_token"'  # RFC 6750, 3.1
            await answer(scope, receive, send)
            return
        scope[CALLER_KEY] = caller
        await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return path in OPEN_PATHS or (path == METRICS_PATH and self._metrics_are_open(scope))


def metrics_are_open(choice: str, scope: Scope) -> bool:
    """By ``OPENDRAPE_ACCESS__METRICS``: ``open``, ``signed_in``, or ``loopback``: while only this machine gets in."""
    return choice == "open" or (choice == "loopback" and is_loopback(scope["app"].state.listens_on))


def address_of(scope: Scope) -> str:
    """Where the request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""
