"""Which question is asked so often that it is answered before any route is looked for: how far is this video.

Hundreds wait for one video, and each costs masking on the same machine. What is out of the ordinary goes its way
through the routes: this lane only ever answers what `getProgress` would, in the same bytes. It has two ends: one behind
the gate, for whoever was let in, and one before everything (``outer_lane``), for holders of keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastapi import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from opendrape.domain import access
from opendrape.domain.access import Caller
from opendrape.domain.pseudonym import is_picture
from opendrape_gateway.acting import sees_everything
from opendrape_gateway.callers import CALLER_KEY
from opendrape_gateway.desk import Desk
from opendrape_gateway.entity_tags import tagged
from opendrape_gateway.happenings import progress
from opendrape_gateway.rates import RATE_KEY, RateGate
from opendrape_gateway.shared_look import Look

ASKED: Final = re.compile(r"/api/videos/([a-z0-9-]{1,64})/progress(/?)")
TEMPLATES: Final = {slash: "/api/videos/{asset_id}/progress" + slash for slash in ("", "/")}
"""What logs and figures call the address."""


@dataclass(frozen=True, slots=True)
class _Route:
    path_format: str


_ROUTES: Final = {slash: _Route(template) for slash, template in TEMPLATES.items()}


def at_once(desk: Desk, caller: Caller, asset_id: str) -> Look | None:
    """What this caller may see of a video, without waiting; None: ask the routes."""
    if is_picture(asset_id) or not caller.may(access.Scope.READ):
        return None
    glance = desk.container.quick_look.glance(asset_id, None if sees_everything(caller) else caller.subject)
    standing = None if glance is None else desk.standings.at_once(glance)
    return None if glance is None or standing is None else Look(glance, standing)


class ExpressLane:
    """ASGI middleware between the gate and the routes. Answers only from what can be looked at without waiting."""

    def __init__(self, app: ASGIApp, *, desk: Desk, rates: RateGate) -> None:
        self._app, self._desk, self._rates = app, desk, rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        asked, caller = ASKED.fullmatch(scope["path"]), scope.get(CALLER_KEY)
        if asked is None or not isinstance(caller, Caller):
            return None
        seen = at_once(self._desk, caller, asked[1])
        known_tags = Headers(scope=scope).getlist("if-none-match")
        counted = self._rates.spend_at_once(caller.subject) if seen and len(known_tags) < 2 else None
        if seen is None or counted is None:
            return None
        scope[RATE_KEY], scope["route"] = counted, _ROUTES[asked[2]]
        shown = progress(seen.glance.asset, seen.standing, self._desk.container.clock)
        return tagged(shown.model_dump_json().encode(), *known_tags or (None,))
