"""How errors are told: RFC 9457 problem details without a word of the request's or the exception's text (P-05)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from opendrape.domain.reasons import REASONS, explain
from opendrape.errors import (
    CatalogueUnavailable,
    Forbidden,
    IllegalTransition,
    IssuerUnreachable,
    LimitReached,
    LinkExpired,
    NotFound,
    OpenDrapeError,
    SignInRequired,
    StorageUnavailable,
    TooManySignIns,
)
from opendrape.ledger.frame_wishes import FramesRefused
from opendrape.logging import get_log
from opendrape_gateway.allowed_methods import allowed_methods

MEDIA_TYPE = "application/problem+json"
_STATUS_OF: Mapping[type[OpenDrapeError], int] = {
    SignInRequired: 401,
    Forbidden: 403,
    TooManySignIns: 429,
    IssuerUnreachable: 503,
    NotFound: 404,
    LinkExpired: 410,
    LimitReached: 429,
    FramesRefused: 422,
    IllegalTransition: 409,
    CatalogueUnavailable: 503,
    StorageUnavailable: 503,
}
_HEADERS_OF: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="opendrape"'},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "5"},
}
_REASON_OF: Mapping[int, str] = {408: "body_too_slow", 413: "body_too_large"}
_HEADERS_KEPT = frozenset({"allow", "retry-after", "www-authenticate"})
_log = get_log("gateway")


class InvalidParameter(BaseModel):
    """One thing that is wrong with the request: where and what, never the value."""

    model_config = ConfigDict(frozen=True)

    location: str = Field(description="path, query, header or body")
    name: str = Field(description="the parameter's name in this API's own words")
    code: str = Field(description="what is wrong, as a slug")
    detail: str | None = Field(default=None, description="what is wrong, in words; never the value")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(default="about:blank", description="urn:opendrape:problem:<reason>, or about:blank")
    title: str = Field(description="the kind of problem, the same for every occurrence")
    status: int = Field(description="the HTTP status")
    detail: str | None = Field(default=None, description="one sentence that explains the reason")
    instance: str | None = Field(default=None, description="urn:uuid of the request, as in X-Request-ID")
    reason: str | None = Field(default=None, description="slug from a bounded set")
    errors: list[InvalidParameter] | None = Field(default=None, description="every wrong parameter at once")


def problem_response(
    request_id: str | None,
    status: int,
    *,
    reason: str | None = None,
    errors: Sequence[InvalidParameter] = (),
    headers: Mapping[str, str] | None = None,
    detail: str | None = None,
) -> JSONResponse:
    """The response for one problem; title from the status, detail from the reason's own sentence unless given."""
    known = reason if reason in REASONS else None
    problem = Problem(
        type=f"urn:opendrape:problem:{known}" if known else "about:blank",
        title=_title(status),
        status=status,
        detail=detail or explain(known),
        instance=f"urn:uuid:{request_id}" if request_id else None,
        reason=known,
        errors=list(errors) or None,
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Turn every error of the framework and of OpenDrape into a problem. The rest is caught by the fault barrier."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(OpenDrapeError, _our_error)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route: these statuses answer with a problem."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _title(status), "content": content} for status in statuses}


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kept = {name: text for name, text in (error.headers or {}).items() if name.lower() in _HEADERS_KEPT}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        kept = {"Allow": allowed_methods(request.app, request.url.path)}
    reason = _REASON_OF.get(error.status_code)
    return problem_response(_request_id(request), error.status_code, reason=reason, headers=kept)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [_invalid_parameter(one) for one in error.errors()]
    return problem_response(_request_id(request), 422, reason="request_invalid", errors=wrong)


async def _our_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OpenDrapeError)
    return problem_of(error, _request_id(request))


def problem_of(error: OpenDrapeError, request_id: str | None) -> JSONResponse:
    """The response for one of our errors; also for what is refused before any route runs."""
    status = next((code for kind, code in _STATUS_OF.items() if isinstance(error, kind)), 500)
    if status >= 500:
        _log.error("request_failed", exc_info=error, status=status)
    headers = _HEADERS_OF.get(status)
    return problem_response(request_id, status, reason=error.reason, headers=headers)


def _invalid_parameter(error: Mapping[str, Any]) -> InvalidParameter:
    location, name, *_ = (*map(str, error.get("loc", ())), "unknown", "unknown")
    known = location in {"path", "query", "header"}  # names in a body may be the client's own words
    return InvalidParameter(
        location=location if known else "body",
        name=name if known and re.fullmatch(r"[a-zA-Z_-]{1,32}", name) else "unknown",
        code=str(error.get("type", "invalid")),
    )


def _request_id(request: Request) -> str | None:
    return request.scope.get("opendrape.request_id")


def _title(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
