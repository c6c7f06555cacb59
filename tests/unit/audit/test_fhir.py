"""H-09: audit events as FHIR R4 AuditEvent resources: required elements, bound codes, nothing about a person."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from opendrape.audit.fhir import audit_event
from opendrape.domain.audit import AuditEvent, Seal, StoredEvent

AT = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
ACTIONS = (
    *("asset.registered", "asset.delivered", "asset.failed", "work.queued", "work.failed"),
    *("key_map.reveal", "key_map.export", "key_map.destroy_subject", "key_map.rotated"),
    *("api_key.created", "api_key.revoked", "audit.exported", "something.new"),
)


def resource(action: str, facts: dict[str, str | int] | None = None, seal: Seal | None = None) -> dict[str, Any]:
    stored = StoredEvent(7, AuditEvent("client-00", action, "ar-1", AT, facts or {}))
    return audit_event(stored, seal)


def is_coding(coding: dict[str, Any]) -> bool:
    return set(coding) <= {"system", "code", "display"} and bool(coding["system"]) and bool(coding["code"])


@pytest.mark.parametrize("action", ACTIONS)
def test_every_required_element_is_there_in_its_form(action: str) -> None:
    """H-09: FHIR R4 AuditEvent: type 1..1, recorded 1..1, agent 1..* with requestor 1..1, source 1..1 with observer."""
    one = resource(action, {"reason": "cancelled", "item": 3})
    assert one["resourceType"] == "AuditEvent"
    assert ID.fullmatch(one["id"])
    assert is_coding(one["type"])
    assert INSTANT.fullmatch(one["recorded"])
    assert one["agent"]
    for agent in one["agent"]:
        assert isinstance(agent["requestor"], bool)
        assert agent["who"]["identifier"]["value"] == "client-00"
    assert one["source"]["observer"]
    assert one["action"] in {"C", "R", "U", "D", "E"}
    assert one["outcome"] in {"0", "4", "8", "12"}
    assert all(is_coding(coding) for coding in one["subtype"])
    for entity in one["entity"]:
        assert entity["what"]["identifier"]["value"] == "ar-1"
        for detail in entity["detail"]:
            assert set(detail) == {"type", "valueString"}
            assert isinstance(detail["valueString"], str)
            assert detail["valueString"]  # FHIR knows no empty strings
    known = {"resourceType", "id", "type", "subtype", "action", "recorded", "outcome", "agent", "source", "entity"}
    assert set(one) == known
    json.dumps(one)


def test_what_failed_is_not_a_success() -> None:
    """H-09: outcome 0 or 8."""
    assert resource("asset.failed")["outcome"] == "8"
    assert resource("asset.quarantined")["outcome"] == "8"
    assert resource("asset.delivered")["outcome"] == "0"


def test_the_place_in_the_chain_comes_along() -> None:
    """H-09: who keeps the export can compare it with the chain."""
    seal = Seal(12, 7, AT, "0" * 16, "ab" * 32)
    details = {one["type"]: one["valueString"] for one in resource("a.b", {"n": 1}, seal)["entity"][0]["detail"]}
    assert details == {"n": "1", "seal": "ab" * 32, "seal_position": "12"}


def test_an_object_without_facts_has_no_empty_list() -> None:
    """H-09: FHIR knows no empty arrays."""
    assert "detail" not in resource("a.b")["entity"][0]
