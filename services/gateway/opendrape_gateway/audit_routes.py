"""Which addresses show the audit: pages, a FHIR export and the check of the chain, for an admin (H-09)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from opendrape.audit.fhir import MEDIA_TYPE, audit_event
from opendrape.audit.verify import Fault
from opendrape.domain.access import Caller, Role, Scope
from opendrape.domain.audit import AuditEvent, Seal, StoredEvent
from opendrape.ports.audit_trail import AuditTrail
from opendrape_gateway.callers import needs
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.problems import documented

router = APIRouter(tags=["audit"])

Admin = Annotated[Caller, Depends(needs(Role.ADMIN, scope=Scope.ADMIN))]
After = Annotated[int, Query(ge=0, le=2**53, description="id of the last event seen")]
_ERRORS = documented(401, 403, 421, 422, 429, 500, 503)
_PAGE = 1000


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class SealAnswer(_Answer):
    """The place of an event in the chain."""

    position: int
    mac: str


class EventAnswer(_Answer):
    """Who did what to which object, by pseudonyms."""

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    facts: dict[str, str | int]
    seal: SealAnswer | None = Field(description="null until the event is sealed, seconds after it")

    @classmethod
    def of(cls, stored: StoredEvent, seal: Seal | None) -> EventAnswer:
        """The event in the API's form."""
        event = stored.event
        return cls(
            id=stored.event_id,
            at=event.at,
            actor=event.actor,
            action=event.action,
            object=event.object_id,
            facts=event.facts,
            seal=SealAnswer(position=seal.position, mac=seal.mac) if seal else None,
        )


class EventList(_Answer):
    """A page of events, oldest first."""

    events: list[EventAnswer]
    next_after: int | None = Field(description="value of `after` for the next page; null on the last")


class FindingAnswer(_Answer):
    """One thing that is wrong with the chain."""

    fault: Fault
    position: int | None
    event: int | None


class Verification(_Answer):
    """Is the chain whole."""

    status: Literal["whole", "broken"]
    sealed: int
    unsealed: int = Field(description="events that wait for their seal")
    anchors: int
    findings: list[FindingAnswer] = Field(description="at most a hundred")


@router.get(
    "/api/audit/",
    operation_id="listAuditEvents",
    summary="List audit events",
    response_model=EventList,
    responses=_ERRORS,
)
@router.get("/api/audit", include_in_schema=False, response_model=EventList)
def list_events(
    desk: AtDesk,
    _admin: Admin,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Events in the order of their ids. Follow the Link header, or pass ``next_after`` as ``after``."""
    found = desk.container.audit.trail.events(after=after, limit=limit + 1)
    page = found[:limit]
    next_after = page[-1][0].event_id if len(found) > limit else None
    shown = EventList(events=[EventAnswer.of(*one) for one in page], next_after=next_after)
    # written here: a thousand events take the framework twice as long
    answer = Response(shown.model_dump_json(), media_type="application/json")
    if next_after is not None:
        answer.headers["Link"] = f'<?{urlencode({"after": next_after, "limit": limit})}>; rel="next"'
    return answer


@router.get(
    "/api/audit/fhir/",
    operation_id="exportAuditEvents",
    summary="Export the audit as FHIR R4 AuditEvent resources",
    response_class=StreamingResponse,
    responses={
        200: {"description": "one resource a line", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
        **_ERRORS,
    },
)
@router.get("/api/audit/fhir", include_in_schema=False)
def export_events(desk: AtDesk, admin: Admin, after: After = 0) -> StreamingResponse:
    """Every event after ``after``, streamed. The export is itself an audited act, written before it begins."""
    clock = desk.container.clock
    desk.catalogue.append_audit(AuditEvent(admin.subject, "audit.exported", "audit", clock.now(), {"after": after}))
    return StreamingResponse(_lines(desk.container.audit.trail, after), media_type=MEDIA_TYPE)


@router.get("/api/audit/verification/", operation_id="verifyAudit", summary="Check the chain", responses=_ERRORS)
@router.get("/api/audit/verification", include_in_schema=False)
def verify_events(desk: AtDesk, _admin: Admin) -> Verification:
    """Goes through the whole trail: seconds for tens of thousands of events."""
    return _verification(desk)


def _verification(desk: Desk) -> Verification:
    report = desk.container.audit.verify()
    return Verification(
        status="whole" if report.is_whole else "broken",
        sealed=report.sealed,
        unsealed=report.unsealed,
        anchors=report.anchors,
        findings=[FindingAnswer(fault=one.fault, position=one.position, event=one.event_id) for one in report.findings],
    )


def _lines(trail: AuditTrail, after: int) -> Iterator[bytes]:
    while page := trail.events(after=after, limit=_PAGE):
        yield b"".join(json.dumps(audit_event(*one)).encode() + b"\n" for one in page)
        after = page[-1][0].event_id
