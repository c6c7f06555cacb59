"""Who wants to be told of what happens to videos, and how each telling stands (H-02)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opendrape.domain.webhooks import Delivery, Endpoint


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended. ``next_at`` None: there will be no other."""

    delivered: bool
    status: int | None
    reason: str | None
    next_at: datetime | None


class Webhooks(Protocol):
    """Events of assets are noted in the transaction of the event while any endpoint is active, so none is lost.

    ``NotFound`` for an unknown id.
    """

    def add(self, endpoint: Endpoint, *, most: int) -> Endpoint:
        """Keep an endpoint. ``QuotaExceeded`` (``webhook_too_many``) when its owner has ``most`` already."""

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """One endpoint."""

    def endpoints(self, owner: str | None, *, limit: int) -> Sequence[Endpoint]:
        """Somebody's endpoints, or everybody's, in id order."""

    def change(
        self, endpoint_id: str, *, url: str | None = None, active: bool | None = None, new_secret: bool = False
    ) -> Endpoint:
        """Change what is given; the secret's version rises with ``new_secret``."""

    def remove(self, endpoint_id: str) -> None:
        """Remove it and its deliveries."""

    def fan_out(self, *, limit: int) -> int:
        """Make a delivery of each noted event for every active endpoint that may see its video; returns how many
        events were taken. One event and endpoint have one delivery, however often this is called.
        """

    def claim(self, *, limit: int, hold_seconds: float) -> Sequence[tuple[Delivery, Endpoint]]:
        """Deliveries that are due, each handed to one caller: the attempt is counted, and it is due again after
        ``hold_seconds`` unless ``finish`` says otherwise.
        """

    def finish(self, delivery: Delivery, attempt: Attempt) -> None:
        """Record how the attempt ended; nothing happens when the delivery was claimed again meanwhile."""

    def disable(self, endpoint_id: str, *, reason: str) -> None:
        """Send nothing more there; what is pending fails."""

    def deliveries(self, endpoint_id: str, *, before: int | None, limit: int) -> Sequence[Delivery]:
        """Latest first, before the id ``before``."""

    def forget_before(self, moment: datetime) -> int:
        """Remove deliveries that ended before ``moment``; returns how many."""
