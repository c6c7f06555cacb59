"""How a route says no with a status, a reason and headers of its own."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from opendrape.errors import OpenDrapeError, PolicyInvalid, QuotaExceeded
from opendrape_gateway.problems import problem_response


class Refusal(OpenDrapeError):
    """The request is answered with ``status``; ``headers`` never carry what the client sent."""

    def __init__(self, status: int, reason: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason=reason)
        self.status, self.headers = status, dict(headers or {})


def install_refusals(app: FastAPI) -> None:
    """Answer refusals, used-up shares and unknown policies as problems."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(QuotaExceeded, _used_up)
    app.add_exception_handler(PolicyInvalid, _no_such_policy)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _problem(request, error.status, error.reason, error.headers)


async def _used_up(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, QuotaExceeded)
    return _problem(request, 429, error.reason, {"Retry-After": "60"})


async def _no_such_policy(request: Request, _error: Exception) -> JSONResponse:
    return _problem(request, 422, "policy_not_here", {})


def _problem(request: Request, status: int, reason: str, headers: Mapping[str, str]) -> JSONResponse:
    return problem_response(request.scope.get("opendrape.request_id"), status, reason=reason, headers=headers)
