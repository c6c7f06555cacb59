"""How the gateway is put together: one function from a container to an ASGI app."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import Scope

from opendrape import __version__
from opendrape.access.key_office import KeyOffice
from opendrape.bootstrap import Container
from opendrape.logging import dropped_fields, get_log
from opendrape.serving.health import Check, HealthMonitor
from opendrape.serving.process import ServicePlan
from opendrape.serving.threads import Runnable
from opendrape_gateway import (
    audit_routes,
    form_routes,
    frame_routes,
    happening_routes,
    image_routes,
    key_routes,
    output_routes,
    registration_routes,
    segment_routes,
    service_routes,
    upload_routes,
    video_papers,
    video_routes,
    webhook_routes,
)
from opendrape_gateway.body_limit import BodyLimit
from opendrape_gateway.desk import Desk, GatewayContainer
from opendrape_gateway.express_lane import ExpressLane
from opendrape_gateway.first_key import ensure_first_key
from opendrape_gateway.front import Front
from opendrape_gateway.gate import Gate, metrics_are_open
from opendrape_gateway.openapi_bodies import say_what_bodies_risk
from opendrape_gateway.openapi_links import link_operations
from opendrape_gateway.openapi_models import name_models
from opendrape_gateway.openapi_security import say_who_may
from opendrape_gateway.outer_lane import OuterLane
from opendrape_gateway.outside import Outside
from opendrape_gateway.problems import install_problem_handlers
from opendrape_gateway.rates import RateHeaders, rate_gate, within_rate
from opendrape_gateway.refusal import install_refusals
from opendrape_gateway.sign_in import Doorkeeper
from opendrape_gateway.standing_memory import StandingMemory
from opendrape_gateway.tokens import issued_tokens
from opendrape_gateway.webhook_secrets import WebhookSecrets
from opendrape_gateway.webhook_sending import WebhookSender

_log = get_log("gateway")
_ROUTERS = (
    happening_routes.router,  # asked most often: looked through first
    service_routes.router,
    video_routes.router,
    video_papers.router,
    output_routes.router,
    image_routes.router,
    segment_routes.router,
    frame_routes.router,
    frame_routes.open_router,
    form_routes.router,
    registration_routes.router,
    upload_routes.router,
    webhook_routes.router,
    key_routes.router,
    audit_routes.router,
)
_OPEN = (service_routes.router, frame_routes.open_router)


def create_app(container: GatewayContainer, *, more_checks: Mapping[str, Check] | None = None) -> FastAPI:
    """The gateway over a container. Starts nothing and asks nothing; the caller closes the container.

    ``more_checks`` are asked for health too: what services in the same process depend on.
    """
    desk = Desk(
        container=container,
        health=_health_of(container, more_checks or {}),
        standings=StandingMemory(lambda: container.door.videos, container.clock.monotonic, container.quick_look),
    )
    app = _bare_app()
    app.state.desk = desk
    _watch(desk)
    app.state.listens_on, app.state.stopping = container.settings.gateway.host, threading.Event()
    rates, doorkeeper, monotonic = rate_gate(app.state, desk), _doorkeeper(container), container.clock.monotonic
    app.add_middleware(ExpressLane, desk=desk, rates=rates)
    _guard(app, container, doorkeeper)
    app.add_middleware(RateHeaders)
    app.add_middleware(Front, metrics=desk.metrics, monotonic=monotonic)
    app.add_middleware(
        OuterLane, desk=desk, doorkeeper=doorkeeper, rates=rates, metrics=desk.metrics, monotonic=monotonic
    )
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
        summary="De-identified surgical video and pictures: state, progress, health and figures.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,  # a redirect would echo the query
    )
    for router in _ROUTERS:
        app.include_router(router, dependencies=[] if router in _OPEN else [Depends(within_rate)])
    install_problem_handlers(app)
    install_refusals(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        name_models(schema)
        say_who_may(schema)
        say_what_bodies_risk(schema)
        link_operations(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _guard(app: FastAPI, container: GatewayContainer, doorkeeper: Doorkeeper) -> None:
    """Body limit inside, gate outside: nothing is read of somebody who was not let in."""
    chosen = container.settings
    app.add_middleware(
        BodyLimit,
        most_bytes=chosen.gateway.max_body_bytes,
        silence_seconds=chosen.gateway.body_silence_seconds,
        streams=takes_a_video,
    )
    app.add_middleware(Gate, doorkeeper=doorkeeper, metrics_are_open=partial(metrics_are_open, chosen.access.metrics))


def _doorkeeper(container: GatewayContainer) -> Doorkeeper:
    chosen, monotonic = container.settings, container.clock.monotonic
    return Doorkeeper(
        KeyOffice(container.access, container.clock, container.quick_look),
        issued_tokens(chosen.oidc, monotonic),
        metrics=container.metrics,
        monotonic=monotonic,
        failed_per_minute=chosen.access.failed_sign_ins_per_minute,
    )


def takes_a_video(scope: Scope) -> bool:
    """True for the addresses whose routes bound long bodies themselves: a piece of an upload, and the forms."""
    method, path = scope["method"], scope["path"]
    is_piece = method in {"PATCH", "POST"} and path.startswith("/api/uploads")
    return is_piece or (method == "POST" and path.rstrip("/") in {"/api/videos", "/api/images"})


def _health_of(container: GatewayContainer, more: Mapping[str, Check]) -> HealthMonitor:
    checks: dict[str, Check] = {
        "catalogue": lambda: container.catalogue.check(),
        "work_storage": lambda: container.work_blobs.check(),
        "destination": lambda: container.destination_blobs.check(),
        "key_map": lambda: container.key_map.check(),
        "doorbell": lambda: container.doorbell.check(),
        **more,
    }
    return HealthMonitor(checks, monotonic=container.clock.monotonic)


def _watch(desk: Desk) -> None:
    settings, metrics = desk.container.settings, desk.metrics
    metrics.watch_catalogue(desk.catalogue)
    metrics.watch_storage({"state": settings.state_dir, "destination": settings.destination})
    metrics.watch_dropped_log_fields(dropped_fields)
    paths = [*describe_api()["paths"]]
    metrics.know_routes([*paths, *(path.rstrip("/") for path in paths), "/api/openapi.json", "unmatched"])


def build_gateway(container: Container, notice: Callable[[str], None]) -> list[Runnable]:
    """What runs beside the door of a process of its own: what tells webhooks, and the sealer of the audit. Makes sure
    that an admin can get in.

    Processes that share a catalogue must share the key that seals: without OPENDRAPE_AUDIT__KEY_FILE nothing is sealed
    there, and it is said.
    """
    ensure_first_key(container, notice=notice)
    chosen = container.settings
    if chosen.catalogue.url and chosen.audit.key_file is None:
        _log.error("audit_not_sealed", reason="audit_key_not_shared")
        return [build_webhook_sender(container)]
    times = {"seal_seconds": chosen.audit.seal_seconds, "anchor_seconds": chosen.audit.anchor_seconds}
    return [build_webhook_sender(container), container.audit.sealer(container.metrics, **times)]


PLAN = ServicePlan(
    name="gateway",
    workers=build_gateway,
    checks=lambda _container: {},  # the gateway's own door asks: see _health_of
    door=create_app,
)
"""The HTTP door, and what tells webhooks."""
