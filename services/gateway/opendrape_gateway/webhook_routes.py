"""Which addresses register webhooks and show how each telling went."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.reasons import explain
from opendrape.domain.webhooks import Delivery, DeliveryState, Endpoint
from opendrape.errors import NotFound
from opendrape_gateway.acting import Reader, Writer, sees_everything
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.outside import Outside
from opendrape_gateway.problems import documented
from opendrape_gateway.webhook_secrets import WebhookSecrets
from opendrape_gateway.webhook_sending import event_type, kind_of, message_id

# no Idempotency-Key here: a stored answer would keep the secret
router = APIRouter(tags=["webhooks"])
_ID = r"wh-[0-9a-f]{32}"
_ALWAYS = documented(401, 403, 421, 422, 429, 500, 503)
_OF_ONE = {**_ALWAYS, **documented(404)}


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewWebhook(_Words):
    """Where to tell."""

    url: str = Field(min_length=1, max_length=2048, description="https; public addresses only, unless configured")


class WebhookChange(_Words):
    """What to change; what is left out stays."""

    url: str | None = Field(default=None, min_length=1, max_length=2048)
    active: bool | None = None
    new_secret: bool = Field(default=False, description="the old secret ends at once")


class Webhook(_Words):
    """One endpoint."""

    id: str
    url: str
    active: bool
    reason: str | None = Field(description="why it was disabled, as a slug")
    all_videos: bool = Field(description="true: of every video (an administrator's); false: of the owner's videos")
    created_at: datetime
    secret: str | None = Field(description="whsec_…; shown once: when it is made")


class WebhookList(_Words):
    """The caller's endpoints."""

    webhooks: list[Webhook]


class DeliveryAnswer(_Words):
    """One event told to one endpoint."""

    id: str = Field(description="webhook-id of every attempt")
    event: int
    video: str | None = Field(description="id of the video; null where it is of a picture")
    image: str | None = Field(description="id of the picture; null where it is of a video")
    type: str = Field(description="video.delivered, image.failed ...")
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None = Field(description="HTTP status of the last answer; null when there was none")
    last_reason: str | None
    last_reason_text: str | None
    last_at: datetime | None


class DeliveryList(_Words):
    """A page of deliveries, latest first."""

    deliveries: list[DeliveryAnswer]
    next_before: int | None = Field(description="value of `before` for the next page; null on the last")


def endpoint_of(desk: AtDesk, caller: Reader, webhook_id: Annotated[str, Path(description="its id")]) -> Endpoint:
    """The endpoint; ``NotFound`` when there is none, or it is somebody else's."""
    if not re.fullmatch(_ID, webhook_id):
        raise NotFound
    endpoint = desk.container.door.webhooks.endpoint(webhook_id)
    if not caller.sees(endpoint.owner):
        raise NotFound
    return endpoint


TheEndpoint = Annotated[Endpoint, Depends(endpoint_of)]


@at(router.get, "/api/webhooks/", operation_id="listWebhooks", summary="List webhooks", responses=_ALWAYS)
def list_all(desk: AtDesk, caller: Reader) -> WebhookList:
    """The caller's own; an administrator's: all (the first hundred)."""
    owner = None if sees_everything(caller) else caller.subject
    found = desk.container.door.webhooks.endpoints(owner, limit=100)
    return WebhookList(webhooks=[_shown(endpoint) for endpoint in found])


@at(
    router.post,
    "/api/webhooks/",
    operation_id="createWebhook",
    summary="Register a webhook",
    status_code=201,
    responses=_ALWAYS,
)
def create(desk: AtDesk, caller: Writer, new: NewWebhook, response: Response) -> Webhook:
    """Told of the caller's videos, an administrator's of all. The secret is shown in this answer only."""
    _outside(desk).check_form(new.url)
    endpoint = Endpoint(
        endpoint_id=f"wh-{secrets.token_hex(16)}",
        owner=caller.subject,
        sees_all=sees_everything(caller),
        url=new.url,
        secret_version=1,
        active=True,
        reason=None,
        created_at=desk.container.clock.now(),
    )
    kept = desk.container.door.webhooks.add(endpoint, most=desk.container.settings.webhooks.per_user)
    response.headers["Location"] = f"/api/webhooks/{kept.endpoint_id}/"
    return _shown(kept, _secrets(desk))


@at(router.get, "/api/webhooks/{webhook_id}/", operation_id="getWebhook", summary="Show one", responses=_OF_ONE)
def show(endpoint: TheEndpoint) -> Webhook:
    """Without its secret."""
    return _shown(endpoint)


@at(
    router.patch,
    "/api/webhooks/{webhook_id}/",
    operation_id="changeWebhook",
    summary="Change one",
    responses=_OF_ONE,
)
def change(desk: AtDesk, endpoint: TheEndpoint, _caller: Writer, wanted: WebhookChange) -> Webhook:
    """Another address, on or off, or a new secret, which is shown in this answer only."""
    if wanted.url is not None:
        _outside(desk).check_form(wanted.url)
    changed = desk.container.door.webhooks.change(
        endpoint.endpoint_id, url=wanted.url, active=wanted.active, new_secret=wanted.new_secret
    )
    return _shown(changed, _secrets(desk) if wanted.new_secret else None)


@at(
    router.delete,
    "/api/webhooks/{webhook_id}/",
    operation_id="deleteWebhook",
    summary="Remove one",
    status_code=204,
    responses=_OF_ONE,
)
def remove(desk: AtDesk, endpoint: TheEndpoint, _caller: Writer) -> Response:
    """With what is still to be told."""
    desk.container.door.webhooks.remove(endpoint.endpoint_id)
    return Response(status_code=204)


@at(
    router.get,
    "/api/webhooks/{webhook_id}/deliveries/",
    operation_id="listDeliveries",
    summary="How each telling went",
    responses=_OF_ONE,
)
def deliveries(
    desk: AtDesk,
    endpoint: TheEndpoint,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="event of the last delivery seen")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="deliveries per page")] = 50,
) -> DeliveryList:
    """Latest first; attempts, last status and reason. What a receiver answered is not kept."""
    found = desk.container.door.webhooks.deliveries(endpoint.endpoint_id, before=before, limit=limit + 1)
    page = found[:limit]
    return DeliveryList(
        deliveries=[_told(delivery) for delivery in page],
        next_before=page[-1].event_id if len(found) > limit else None,
    )


def _outside(desk: Desk) -> Outside:
    rules = desk.container.settings.webhooks
    return Outside(rules.allow_networks, rules.allow_http)


def _secrets(desk: Desk) -> WebhookSecrets:
    return WebhookSecrets(desk.container.settings.webhook_key_path)


def _shown(endpoint: Endpoint, keys: WebhookSecrets | None = None) -> Webhook:
    return Webhook(
        id=endpoint.endpoint_id,
        url=endpoint.url,
        active=endpoint.active,
        reason=endpoint.reason,
        all_videos=endpoint.sees_all,
        created_at=endpoint.created_at,
        secret=keys.shown(endpoint) if keys else None,
    )


def _told(delivery: Delivery) -> DeliveryAnswer:
    is_pending = delivery.state is DeliveryState.PENDING
    return DeliveryAnswer(
        id=message_id(delivery),
        event=delivery.event_id,
        video=delivery.asset_id if kind_of(delivery) == "video" else None,
        image=delivery.asset_id if kind_of(delivery) == "image" else None,
        type=event_type(delivery),
        state=delivery.state,
        attempts=delivery.attempts,
        next_attempt_at=delivery.due_at if is_pending else None,
        last_status=delivery.last_status,
        last_reason=delivery.last_reason,
        last_reason_text=explain(delivery.last_reason),
        last_at=delivery.last_at,
    )
