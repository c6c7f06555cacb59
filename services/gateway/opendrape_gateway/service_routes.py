"""Which addresses tell about the service itself: alive, ready, healthy, measured."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from opendrape import __version__
from opendrape.metrics import render
from opendrape.serving.answers import HealthAnswer, LiveAnswer
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.problems import documented

router = APIRouter(tags=["service"])
_UNWELL: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthAnswer, "description": "A dependency does not answer; the body says which"}
}


@router.get("/health/live", operation_id="getLiveness", summary="Is the process alive", responses=documented(421, 500))
async def live() -> LiveAnswer:
    """Asks nothing: a process with a broken dependency must not be restarted for it."""
    return LiveAnswer()


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Can the service work now",
    responses={**_UNWELL, **documented(421, 500)},
)
def ready(desk: AtDesk, response: Response) -> HealthAnswer:
    """Asks every dependency; 503 when one does not answer."""
    return _health(desk, response)


@router.get(
    "/health",
    operation_id="getHealth",
    summary="How well is the service",
    responses={**_UNWELL, **documented(421, 500)},
)
def health(desk: AtDesk, response: Response) -> HealthAnswer:
    """The same as readiness: every dependency with its status, reason and time to answer."""
    return _health(desk, response)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 421, 429, 500),
    },
)
def metrics(desk: AtDesk) -> Response:
    """Requests, work, frames, detections, checks, queue, storage; labels from bounded sets only."""
    content, content_type = render(desk.metrics)
    return Response(content, headers={"Content-Type": content_type})


def _health(desk: Desk, response: Response) -> HealthAnswer:
    report = desk.health.report()
    for one in report.dependencies:
        desk.metrics.dependency_up.labels(one.name).set(one.well)
    response.status_code = 200 if report.ready else 503
    return HealthAnswer.of(report, __version__)
