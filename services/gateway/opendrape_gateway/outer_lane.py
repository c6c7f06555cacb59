"""How does a holder of a key learn how far a video is for a fraction of a request's price: before all layers, in one.

What the layers do for any request is done here for this one: the host is looked at, the key, the rate and who may see
the video; headers are the same, and it is counted. Whatever is out of the ordinary is left to them, untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from opendrape.logging import get_log, is_written
from opendrape.metrics import Metrics
from opendrape_gateway.desk import Desk
from opendrape_gateway.entity_tags import OWN_CACHE, is_known, tag_of
from opendrape_gateway.express_lane import ASKED, TEMPLATES, at_once
from opendrape_gateway.front import SECURITY_HEADERS, is_misdirected, new_request_id
from opendrape_gateway.gate import address_of
from opendrape_gateway.happenings import progress
from opendrape_gateway.rates import RateGate
from opendrape_gateway.shared_look import Look
from opendrape_gateway.sign_in import Doorkeeper

_NOT_CACHED_BY_OTHERS: Final = [one for one in SECURITY_HEADERS if one[0] != b"cache-control"]
_OF_INTEREST: Final = (b"authorization", b"if-none-match", b"content-length", b"transfer-encoding")
_log = get_log("gateway")

_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""


class OuterLane:
    """The outermost ASGI layer. Waits for nothing: what would have to be waited for is none of its business."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        desk: Desk,
        doorkeeper: Doorkeeper,
        rates: RateGate,
        metrics: Metrics,
        monotonic: Callable[[], float],
    ) -> None:
        self._app, self._desk, self._doorkeeper, self._rates = app, desk, doorkeeper, rates
        self._metrics, self._monotonic = metrics, monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/api/videos/"):
            await self._app(scope, receive, send)
            return
        started = self._monotonic()
        answer = self._tried(scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._account(scope, status, self._monotonic() - started)

    def _tried(self, scope: Scope) -> _Answer | None:
        try:
            return self._answer(scope)
        except Exception:  # noqa: BLE001 - the layers behind answer, and say what is wrong if it still is
            _log.exception("outer_lane_failed")
            return None

    def _answer(self, scope: Scope) -> _Answer | None:
        asked = ASKED.fullmatch(scope["path"])
        if asked is None or is_misdirected(scope):
            return None
        given: dict[bytes, list[str]] = {name: [] for name in _OF_INTEREST}
        for name, text in scope["headers"]:
            if name in given:
                given[name].append(text.decode("latin-1"))
        tags = given[b"if-none-match"]
        if len(tags) > 1 or given[b"content-length"] or given[b"transfer-encoding"]:
            return None
        caller, credential = self._doorkeeper.admit_at_once(given[b"authorization"], address_of(scope))
        if caller is None:
            return None
        seen = at_once(self._desk, caller, asked[1])
        counted = self._rates.spend_at_once(caller.subject) if seen else None
        if seen is None or counted is None:
            return None
        self._doorkeeper.admitted(credential)
        return self._written(scope, seen, tags, counted)

    def _written(self, scope: Scope, seen: Look, tags: Sequence[str], counted: dict[str, str]) -> _Answer:
        content = progress(seen.glance.asset, seen.standing, self._desk.container.clock).model_dump_json().encode()
        tag = tag_of(content)
        headers = [(b"etag", tag.encode()), (b"cache-control", OWN_CACHE.encode())]
        status, body = (304, b"") if tags and is_known(tags[0], tag) else (200, content)
        if status == 200:
            headers += [(b"content-length", str(len(content)).encode()), (b"content-type", b"application/json")]
        headers += [(name.lower().encode(), text.encode()) for name, text in counted.items()]
        headers.append((b"x-request-id", new_request_id(scope).encode()))
        return status, headers + _NOT_CACHED_BY_OTHERS, body

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = TEMPLATES["/" if scope["path"].endswith("/") else ""]
        self._metrics.request_answered(method="GET", route=route, status=status, seconds=seconds)
        if is_written("debug"):
            _log.debug("request_answered", method="GET", route=route, status=status, seconds=round(seconds, 4))
