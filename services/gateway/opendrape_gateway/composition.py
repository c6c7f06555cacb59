"""How the gateway is put together: one function from a container to an ASGI app."""

from __future__ import annotations

import threading
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from opendrape import __version__
from opendrape.logging import dropped_fields
from opendrape_gateway import (
    form_routes,
    happening_routes,
    service_routes,
    upload_routes,
    video_papers,
    video_routes,
    webhook_routes,
)
from opendrape_gateway.desk import Desk, GatewayContainer
from opendrape_gateway.front import Front
from opendrape_gateway.health import HealthMonitor
from opendrape_gateway.outside import Outside
from opendrape_gateway.problems import Problem, install_problem_handlers
from opendrape_gateway.rates import RateHeaders, within_rate
from opendrape_gateway.refusal import install_refusals
from opendrape_gateway.webhook_secrets import WebhookSecrets
from opendrape_gateway.webhook_sending import WebhookSender

_ROUTERS = (
    service_routes.router,
    video_routes.router,
    video_papers.router,
    happening_routes.router,
    form_routes.router,
    upload_routes.router,
    webhook_routes.router,
)


def create_app(container: GatewayContainer) -> FastAPI:
    """The gateway over a container. Starts nothing and asks nothing; the caller closes the container."""
    desk = Desk(container=container, health=_health_of(container))
    app = _bare_app()
    app.state.desk = desk
    _watch(desk)
    app.state.listens_on, app.state.stopping = container.settings.gateway.host, threading.Event()
    app.add_middleware(RateHeaders)
    app.add_middleware(Front, metrics=desk.metrics, monotonic=container.clock.monotonic)
    return app


def build_webhook_sender(container: GatewayContainer) -> WebhookSender:
    """What tells receivers; runs in any process, any number of times."""
    rules = container.settings.webhooks
    return WebhookSender(
        webhooks=container.door.webhooks,
        keys=WebhookSecrets(container.settings.webhook_key_path),
        rules=rules,
        clock=container.clock,
        outside=Outside(rules.allow_networks, rules.allow_http),
    )


def describe_api() -> dict[str, Any]:
    """The OpenAPI document, without a container."""
    return _bare_app().openapi()


def _bare_app() -> FastAPI:
    # the interactive pages load scripts from elsewhere: off
    app = FastAPI(
        title="OpenDrape gateway",
        version=__version__,
        summary="De-identified surgical video: state, progress, health and figures.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,  # a redirect would echo the query
    )
    for router in _ROUTERS:
        app.include_router(router, dependencies=[] if router is service_routes.router else [Depends(within_rate)])
    install_problem_handlers(app)
    install_refusals(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        app.openapi_schema = schema
    return app.openapi_schema


def _health_of(container: GatewayContainer) -> HealthMonitor:
    checks = {
        "catalogue": lambda: container.catalogue.check(),
        "work_storage": lambda: container.work_blobs.check(),
        "destination": lambda: container.destination_blobs.check(),
        "key_map": lambda: container.key_map.check(),
    }
    return HealthMonitor(checks, monotonic=container.clock.monotonic)


def _watch(desk: Desk) -> None:
    settings, metrics = desk.container.settings, desk.metrics
    metrics.watch_catalogue(desk.catalogue)
    metrics.watch_storage({"state": settings.state_dir, "destination": settings.destination})
    metrics.watch_dropped_log_fields(dropped_fields)
    paths = list(describe_api()["paths"])
    metrics.know_routes([*paths, *(path.rstrip("/") for path in paths), "/api/openapi.json", "unmatched"])
