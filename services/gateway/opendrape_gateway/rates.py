"""How many requests may a caller make: one rate for all replicas, asked for in cheap handfuls (H-08)."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders, State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opendrape.ports.buckets import Buckets, Rate
from opendrape_gateway.callers import the_caller
from opendrape_gateway.desk import Desk, desk_of
from opendrape_gateway.gate import OPEN_PATHS
from opendrape_gateway.refusal import Refusal

RATE_KEY: Final = "opendrape.rate"
"""Where in the ASGI scope the headers of a request that was counted are."""

_HANDFULS: Final = 10
_MOST_CALLERS: Final = 10_000


@dataclass
class _Purse:
    """What this process has drawn for one caller and not yet spent."""

    tokens: float = 0.0
    left: float = 0.0
    empty_until: float = 0.0


class RateGate:
    """Spends tokens of shared buckets. One object a process, used on its event loop only."""

    def __init__(self, buckets: Buckets, rate: Rate, monotonic: Callable[[], float]) -> None:
        self._buckets, self._rate, self._monotonic = buckets, rate, monotonic
        self._purses: OrderedDict[str, _Purse] = OrderedDict()

    async def spend(self, subject: str) -> dict[str, str]:
        """One request of this caller: the headers that say what is left. ``Refusal`` 429 when nothing is."""
        bucket_id = _bucket_id(subject)
        purse = self._purse(bucket_id)
        if purse.tokens < 1 and self._monotonic() >= purse.empty_until:
            want = max(1.0, self._rate.burst / _HANDFULS)
            drawn = await asyncio.to_thread(self._buckets.draw, bucket_id, want=want, rate=self._rate)
            purse.tokens, purse.left = purse.tokens + drawn.tokens, drawn.left
            purse.empty_until = self._monotonic() + drawn.seconds_until_next if not drawn.tokens else 0.0
        if purse.tokens < 1:
            wait = max(1, math.ceil(purse.empty_until - self._monotonic()))
            raise Refusal(429, "rate_limited", headers={"Retry-After": str(wait)})
        return self._spent(purse)

    def spend_at_once(self, subject: str) -> dict[str, str] | None:
        """As ``spend``, of what is drawn already; None when ``spend`` has to be asked."""
        purse = self._purse(_bucket_id(subject))
        return self._spent(purse) if purse.tokens >= 1 else None

    def _spent(self, purse: _Purse) -> dict[str, str]:
        purse.tokens -= 1
        return self.headers(purse.tokens + purse.left)

    def headers(self, left: float) -> dict[str, str]:
        """RateLimit and RateLimit-Policy, as the IETF draft writes them."""
        window = math.ceil(self._rate.burst / self._rate.per_second)
        missing = max(0.0, self._rate.burst - left)
        return {
            "RateLimit-Policy": f'"caller";q={math.floor(self._rate.burst)};w={window}',
            "RateLimit": f'"caller";r={max(0, math.floor(left))};t={math.ceil(missing / self._rate.per_second)}',
        }

    def _purse(self, bucket_id: str) -> _Purse:
        purse = self._purses.setdefault(bucket_id, _Purse())
        self._purses.move_to_end(bucket_id)
        if len(self._purses) > _MOST_CALLERS:
            self._purses.popitem(last=False)
        return purse


class RateHeaders:
    """ASGI middleware: writes what ``within_rate`` found into whatever answer comes, problems too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and RATE_KEY in scope:
                MutableHeaders(scope=message).update(scope[RATE_KEY])
            await send(message)

        await self._app(scope, receive, sending)


async def within_rate(request: Request) -> None:
    """A dependency of every route but health and figures. A request is counted once, however often it is asked."""
    if RATE_KEY in request.scope or request.scope["path"] in OPEN_PATHS:
        return
    caller = await the_caller(request)
    gate = rate_gate(request.app.state, desk_of(request))
    request.scope[RATE_KEY] = gate.headers(0.0)  # for the refusal
    request.scope[RATE_KEY] = await gate.spend(caller.subject)


def rate_gate(state: State, desk: Desk) -> RateGate:
    """The app's only one; made when it is first asked for."""
    if not hasattr(state, "rate_gate"):
        container = desk.container
        rules = container.settings.door
        rate = Rate(burst=rules.burst_requests, per_second=rules.requests_per_second)
        state.rate_gate = RateGate(container.door.buckets, rate, container.clock.monotonic)
    gate: RateGate = state.rate_gate
    return gate


def _bucket_id(subject: str) -> str:
    return hashlib.sha256(f"rate:{subject}".encode()).hexdigest()
