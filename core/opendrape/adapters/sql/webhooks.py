"""Where webhooks are kept: endpoints, the events to be told, and the deliveries with their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select, update

from opendrape.adapters.sql.store import SqlStore, alone
from opendrape.adapters.sql.tables import audit_events
from opendrape.adapters.sql.transaction import Transaction
from opendrape.adapters.sql.upload_tables import asset_owners
from opendrape.adapters.sql.webhook_tables import webhook_deliveries as deliveries
from opendrape.adapters.sql.webhook_tables import webhook_endpoints as endpoints
from opendrape.adapters.sql.webhook_tables import webhook_events as noted
from opendrape.domain.webhooks import Delivery, DeliveryState, Endpoint
from opendrape.errors import NotFound, QuotaExceeded
from opendrape.ports.webhooks import Attempt, Webhooks

_D = deliveries.c


class SqlWebhooks(SqlStore, Webhooks):
    """See the port."""

    def add(self, endpoint: Endpoint, *, most: int) -> Endpoint:
        with self._writing() as tx:
            alone(tx.connection, f"webhooks:{endpoint.owner}")
            count = select(func.count()).select_from(endpoints).where(endpoints.c.owner == endpoint.owner)
            if tx.connection.execute(count).scalar_one() >= most:
                raise QuotaExceeded(reason="webhook_too_many")
            tx.connection.execute(
                insert(endpoints).values(
                    endpoint_id=endpoint.endpoint_id,
                    owner=endpoint.owner,
                    sees_all=endpoint.sees_all,
                    url=endpoint.url,
                    secret_version=endpoint.secret_version,
                    active=endpoint.active,
                    reason=None,
                    created_at=tx.now,
                )
            )
            tx.record(endpoint.owner, "webhook.added", endpoint.endpoint_id)
            return _endpoint(tx, endpoint.endpoint_id)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        with self._reading() as tx:
            return _endpoint(tx, endpoint_id)

    def endpoints(self, owner: str | None, *, limit: int) -> Sequence[Endpoint]:
        query = select(endpoints).order_by(endpoints.c.endpoint_id).limit(limit)
        with self._reading() as tx:
            rows = tx.connection.execute(query if owner is None else query.where(endpoints.c.owner == owner))
            return [_endpoint_of(row) for row in rows]

    def change(
        self, endpoint_id: str, *, url: str | None = None, active: bool | None = None, new_secret: bool = False
    ) -> Endpoint:
        with self._writing() as tx:
            before = _endpoint(tx, endpoint_id, lock=True)
            values: dict[str, Any] = {"secret_version": before.secret_version + new_secret}
            values |= {} if url is None else {"url": url}
            values |= {} if active is None else {"active": active, "reason": None}
            tx.connection.execute(update(endpoints).where(endpoints.c.endpoint_id == endpoint_id).values(**values))
            tx.record(before.owner, "webhook.changed", endpoint_id)
            return _endpoint(tx, endpoint_id)

    def remove(self, endpoint_id: str) -> None:
        with self._writing() as tx:
            before = _endpoint(tx, endpoint_id, lock=True)
            tx.connection.execute(delete(deliveries).where(_D.endpoint_id == endpoint_id))
            tx.connection.execute(delete(endpoints).where(endpoints.c.endpoint_id == endpoint_id))
            tx.record(before.owner, "webhook.removed", endpoint_id)

    def fan_out(self, *, limit: int) -> int:
        with self._writing() as tx:
            events = tx.connection.execute(
                select(audit_events)
                .join(noted, noted.c.event_id == audit_events.c.event_id)
                .order_by(noted.c.event_id)
                .limit(limit)
                .with_for_update(of=noted, skip_locked=True)
            ).all()
            for event in events:
                _fan_out(tx, event)
            told = tuple(event.event_id for event in events)
            tx.connection.execute(delete(noted).where(noted.c.event_id.in_(told)))
        return len(events)

    def claim(self, *, limit: int, hold_seconds: float) -> Sequence[tuple[Delivery, Endpoint]]:
        with self._writing() as tx:
            due = tx.connection.execute(
                select(deliveries)
                .where(_D.state == DeliveryState.PENDING, _D.due_at <= tx.now)
                .order_by(_D.due_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            ).all()
            values = {"attempts": _D.attempts + 1, "due_at": tx.now + timedelta(seconds=hold_seconds)}
            mine = tuple(row.delivery_id for row in due)
            tx.connection.execute(update(deliveries).where(_D.delivery_id.in_(mine)).values(**values))
            claimed = tx.connection.execute(select(deliveries).where(_D.delivery_id.in_(mine)).order_by(_D.delivery_id))
            return [(_delivery_of(row), _endpoint(tx, row.endpoint_id)) for row in claimed.all()]

    def finish(self, delivery: Delivery, attempt: Attempt) -> None:
        ended = DeliveryState.DELIVERED if attempt.delivered else DeliveryState.FAILED
        with self._writing() as tx:
            tx.connection.execute(
                update(deliveries)
                .where(
                    _D.delivery_id == delivery.delivery_id,
                    _D.attempts == delivery.attempts,
                    _D.state == DeliveryState.PENDING,
                )
                .values(
                    state=DeliveryState.PENDING if attempt.next_at else ended,
                    due_at=attempt.next_at or tx.now,
                    last_status=attempt.status,
                    last_reason=attempt.reason,
                    last_at=tx.now,
                )
            )

    def disable(self, endpoint_id: str, *, reason: str) -> None:
        with self._writing() as tx:
            this = endpoints.c.endpoint_id == endpoint_id
            tx.connection.execute(update(endpoints).where(this).values(active=False, reason=reason))
            pending = (_D.endpoint_id == endpoint_id, _D.state == DeliveryState.PENDING)
            ended = {"state": DeliveryState.FAILED, "last_reason": reason, "last_at": tx.now}
            tx.connection.execute(update(deliveries).where(*pending).values(**ended))
            tx.record("system", "webhook.disabled", endpoint_id, reason=reason)

    def deliveries(self, endpoint_id: str, *, before: int | None, limit: int) -> Sequence[Delivery]:
        query = select(deliveries).where(_D.endpoint_id == endpoint_id).order_by(_D.event_id.desc()).limit(limit)
        with self._reading() as tx:
            _endpoint(tx, endpoint_id)
            rows = tx.connection.execute(query if before is None else query.where(_D.event_id < before))
            return [_delivery_of(row) for row in rows]

    def forget_before(self, moment: datetime) -> int:
        over = (_D.state != DeliveryState.PENDING, _D.last_at < moment)
        with self._writing() as tx:
            return tx.connection.execute(delete(deliveries).where(*over)).rowcount


def _fan_out(tx: Transaction, event: Row[Any]) -> None:
    """``happened_at`` is the event's own time; what an endpoint may see is asked now."""
    for endpoint_id in tx.connection.execute(_who_may_see(event.object_id)).scalars().all():
        values = {
            "endpoint_id": endpoint_id,
            "event_id": event.event_id,
            "asset_id": event.object_id,
            "action": event.action,
            "reason": event.facts.get("reason"),
            "happened_at": event.at,
            "state": DeliveryState.PENDING,
            "attempts": 0,
            "due_at": tx.now,
        }
        tx.connection.execute(insert(deliveries).values(**values))


def _who_may_see(asset_id: str) -> Any:
    owns: ColumnElement[bool] = endpoints.c.owner.in_(
        select(asset_owners.c.owner).where(asset_owners.c.asset_id == asset_id)
    )
    return select(endpoints.c.endpoint_id).where(endpoints.c.active, or_(endpoints.c.sees_all, owns))


def _endpoint(tx: Transaction, endpoint_id: str, *, lock: bool = False) -> Endpoint:
    """``lock``: nobody changes it, and no delivery to it begins, until the transaction has ended."""
    query = select(endpoints).where(endpoints.c.endpoint_id == endpoint_id)
    row = tx.connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("no such webhook")
    return _endpoint_of(row)


def _endpoint_of(row: Row[Any]) -> Endpoint:
    return Endpoint(**row._mapping)


def _delivery_of(row: Row[Any]) -> Delivery:
    return Delivery(**row._mapping)
