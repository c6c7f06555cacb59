"""What a webhook is: who asked to be told, and one telling of one event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    """How one telling stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Somebody's address. The secret is not here: it is made from a key file and ``secret_version``."""

    endpoint_id: str
    owner: str
    sees_all: bool
    url: str
    secret_version: int
    active: bool
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint; ids, state names and reasons only."""

    delivery_id: int
    endpoint_id: str
    event_id: int
    asset_id: str
    action: str
    reason: str | None
    happened_at: datetime
    state: DeliveryState
    attempts: int
    due_at: datetime
    last_status: int | None
    last_reason: str | None
    last_at: datetime | None
