"""Which addresses does a service without an API of its own answer: alive, ready, healthy, measured, and no others."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from opendrape import __version__
from opendrape.metrics import Metrics, render
from opendrape.serving.answers import HealthAnswer, LiveAnswer
from opendrape.serving.health import HealthMonitor

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def create_side_door(service: str, health: HealthMonitor, metrics: Metrics) -> FastAPI:
    """``/health/live`` asks nothing; ``/health/ready`` and ``/health`` ask every dependency, 503 when one is silent;
    ``/metrics`` in Prometheus text format (H-07). Tells nothing of the work's objects, so it needs no sign-in; it
    listens where only probes and Prometheus come.
    """
    app = FastAPI(title=f"OpenDrape {service}", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse(LiveAnswer().model_dump(), headers=_HEADERS)

    @app.get("/health/ready")
    @app.get("/health")
    def ready() -> JSONResponse:
        report = health.report()
        for one in report.dependencies:
            metrics.dependency_up.labels(one.name).set(one.well)
        told = HealthAnswer.of(report, __version__).model_dump()
        return JSONResponse(told, status_code=200 if report.ready else 503, headers=_HEADERS)

    @app.get("/metrics")
    def figures() -> Response:
        content, content_type = render(metrics)
        return Response(content, headers={"Content-Type": content_type} | _HEADERS)

    app.add_exception_handler(HTTPException, _problem)
    return app


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    content = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return JSONResponse(content, status_code=error.status_code, headers=_HEADERS, media_type="application/problem+json")
