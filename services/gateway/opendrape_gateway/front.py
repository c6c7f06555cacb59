"""What happens around every request: id, host check, security headers, log line, count and the fault barrier."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from functools import lru_cache

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opendrape.logging import get_log
from opendrape.metrics import Metrics
from opendrape_gateway.problems import problem_response

_SECURITY_TEXTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SECURITY_HEADERS = [(name.lower().encode(), text.encode()) for name, text in _SECURITY_TEXTS.items()]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ASKED_ALL_THE_TIME = frozenset(
    {
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/api/videos/{asset_id}/progress",
        "/api/videos/{asset_id}/progress/",
    }
)
_log = get_log("gateway")


class ResponseBroken(Exception):
    """An answer that had begun could not be finished; the server closes the connection. Carries no other text."""


class Front:
    """The outermost layer. Only route templates, methods and statuses are logged or counted, never a path or query."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._app, self._metrics, self._monotonic = app, metrics, monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, start=self._monotonic())
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await self._answer(scope, receive, exchange)
            finally:
                self._account(scope, exchange)

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        try:
            if is_misdirected(scope):
                await problem_response(exchange.request_id, 421)(scope, receive, exchange.send)
            else:
                await self._app(scope, receive, exchange.send)
        except Exception:  # noqa: BLE001 - the edge of a request: logged, counted, answered
            _log.exception("request_failed", status=500)
            if exchange.status is not None:
                raise ResponseBroken from None
            await problem_response(exchange.request_id, 500, reason="unexpected")(scope, receive, exchange.send)

    def _account(self, scope: Scope, exchange: _Exchange) -> None:
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds, status = self._monotonic() - exchange.start, exchange.status or 500
        self._metrics.request_answered(method=method, route=route, status=status, seconds=seconds)
        # probes, scrapers and whoever waits come every few seconds
        log = _log.debug if route in _ASKED_ALL_THE_TIME and status < 400 else _log.info
        log("request_answered", method=method, route=route, status=status, seconds=round(seconds, 4))


class _Exchange:
    """One request: its id and what was answered."""

    def __init__(self, scope: Scope, send: Send, *, start: float) -> None:
        self.request_id = _request_id(scope)
        self.start = start
        self.status: int | None = None
        self._send = send
        scope["opendrape.request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = _with_dashes(self.request_id)
            named = {name.lower() for name, _ in headers.raw}
            headers.raw.extend(one for one in SECURITY_HEADERS if one[0] not in named)
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """The client's id when it is a UUID, else a new one: nothing else gets from a header into a log."""
    try:
        return uuid.UUID(Headers(scope=scope).get("x-request-id", "")).hex
    except ValueError:
        return uuid.uuid4().hex


def new_request_id(scope: Scope) -> str:
    """The same for an answer that is written elsewhere, with dashes."""
    return _with_dashes(_request_id(scope))


def _with_dashes(text: str) -> str:
    """A UUID's hexadecimal digits as people write them."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_misdirected(scope: Scope) -> bool:
    """No web page may talk to a door on loopback under its own name (DNS rebinding), whatever credential it found.
    ``listens_on`` is set by ``create_app`` and by ``server.run``.
    """
    return is_loopback(scope["app"].state.listens_on) and not is_loopback(_host(scope))


def _host(scope: Scope) -> str:
    host = Headers(scope=scope).get("host", "")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """True for an address, or the one name, that only this machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
