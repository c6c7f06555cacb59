"""How the same POST is not acted upon twice: ``APIRouter(route_class=IdempotentRoute)`` (H-04, the IETF draft).

A route whose POST has an ``Idempotency-Key`` answers a repetition with the stored answer; 422 when the key was used for
another request, 409 while the first is being answered. ``KeyRequiredRoute`` also answers 400 when there is no key. Only
success is stored: a request that was refused changed nothing and may be tried again under its key. If the process dies
between act and answer the key is free again after a minute, so acts must bear a second try, as ours do.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from opendrape.ports.replays import Replays, Reservation, StoredAnswer
from opendrape_gateway.callers import the_caller
from opendrape_gateway.desk import desk_of
from opendrape_gateway.rates import within_rate
from opendrape_gateway.refusal import Refusal

HEADER: Final = "Idempotency-Key"
HOLD_SECONDS: Final = 60.0
_FORM = re.compile(r'"?[\x21\x23-\x7e]{1,255}"?')
_KEPT: Final = ("content-type", "location", "etag")
_SAYS_WHAT: Final = ("upload-length", "upload-metadata", "content-digest", "repr-digest")
_LARGEST: Final = 2**16

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
PARAMETER: Final = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "a repetition of the request under this key gets the same answer",
}


class IdempotentRoute(APIRoute):
    """A route whose POST may carry an ``Idempotency-Key``."""

    key_required: ClassVar[bool] = False

    def get_route_handler(self) -> Handler:
        """The route's handler, once for each key."""
        act = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return act

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None and not self.key_required:
                return await act(request)
            return await _once(request, _checked(key), act)

        return once


class KeyRequiredRoute(IdempotentRoute):
    """A route whose POST must carry one."""

    key_required = True


def _checked(key: str | None) -> str:
    if key is None:
        raise Refusal(400, "idempotency_key_missing")
    if not _FORM.fullmatch(key):
        raise Refusal(400, "idempotency_key_form")
    return key.strip('"')


async def _once(request: Request, key: str, act: Handler) -> Response:
    desk, caller = desk_of(request), await the_caller(request)
    await within_rate(request)  # before the key costs anything
    replay_id = _digest(caller.subject, request.method, request.url.path.rstrip("/"), key)
    fingerprint, holder, replays = await _fingerprint(request), secrets.token_hex(16), desk.container.door.replays
    found = await run_in_threadpool(
        replays.reserve,
        replay_id,
        fingerprint=fingerprint,
        holder=holder,
        hold_seconds=HOLD_SECONDS,
        keep_seconds=desk.container.settings.door.idempotency_seconds,
    )
    if isinstance(found, StoredAnswer):
        return Response(found.body, status_code=found.status, headers={**found.headers, "Idempotency-Replayed": "true"})
    if found is Reservation.REUSED:
        raise Refusal(422, "idempotency_key_reused")
    if found is Reservation.RUNNING:
        raise Refusal(409, "idempotency_key_running", headers={"Retry-After": "1"})
    return await _acted(request, act, replays, replay_id, holder)


async def _acted(request: Request, act: Handler, replays: Replays, replay_id: str, holder: str) -> Response:
    response: Response | None = None
    try:
        response = await act(request)
    finally:
        answer = _answer(response)
        if answer is None:
            await run_in_threadpool(replays.release, replay_id, holder=holder)
        else:
            await run_in_threadpool(replays.keep, replay_id, holder=holder, answer=answer)
    return response


def _answer(response: Response | None) -> StoredAnswer | None:
    """What can be given again: a success with a body that is not long."""
    body = getattr(response, "body", None)
    if response is None or not 200 <= response.status_code < 300 or not isinstance(body, bytes):
        return None
    if len(body) > _LARGEST:
        return None
    headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return StoredAnswer(status=response.status_code, headers=headers, body=body)


async def _fingerprint(request: Request) -> str:
    """Of everything that says what is asked. A form with a file is not read: its digest and query say what it is."""
    is_form = request.headers.get("content-type", "").startswith("multipart/")
    body = b"" if is_form else await request.body()
    told = [f"{name}:{request.headers[name]}" for name in _SAYS_WHAT if name in request.headers]
    return _digest(request.url.query, hashlib.sha256(body).hexdigest(), *told)


def _digest(*parts: str) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update(f"{len(part)}:{part}".encode())
    return sha256.hexdigest()
