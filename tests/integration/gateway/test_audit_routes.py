"""H-09: the audit over HTTP: pages, the FHIR export, the check of the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape_gateway.composition import create_app
from tests.fakes.gateway import ask, gateway_container, register


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        for number in range(3):
            register(made.catalogue, number)
        made.audit.sealer(made.metrics).tick(anchor_now=True)
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return create_app(container)


def test_events_come_in_pages_with_their_seals(app: Any) -> None:
    """H-09: who, what, which object, where in the chain."""
    seen, url = [], "/api/audit/?limit=2"
    while url:
        response = ask(app, url)
        seen += response.json()["events"]
        link = response.headers.get("link")
        url = "/api/audit/" + link.partition("<")[2].partition(">")[0] if link else ""
    assert [event["seal"]["position"] for event in seen] == list(range(1, len(seen) + 1))
    assert {"api_key.created", "asset.registered"} <= {event["action"] for event in seen}


def test_the_fhir_export_is_one_resource_a_line(app: Any) -> None:
    """H-09: everything, and from a place on; the export itself is an event."""
    response = ask(app, "/api/audit/fhir/")
    assert response.headers["content-type"] == "application/fhir+ndjson"
    resources = [json.loads(line) for line in response.text.splitlines()]
    assert {one["resourceType"] for one in resources} == {"AuditEvent"}
    assert [code["code"] for one in resources[-1:] for code in one["subtype"]] == ["audit.exported"]
    last = resources[-1]["id"].removeprefix("opendrape-")
    (again,) = ask(app, f"/api/audit/fhir/?after={last}").text.splitlines()
    assert json.loads(again)["subtype"][0]["code"] == "audit.exported"


def test_the_check_says_whole_or_what_is_wrong(app: Any, container: Any) -> None:
    """H-09: the same as the command."""
    assert ask(app, "/api/audit/verification/").json()["status"] == "whole"
    with container.catalogue.database.write() as connection:
        connection.exec_driver_sql("UPDATE audit_events SET object_id = 'x' WHERE event_id = 2")
    answer = ask(app, "/api/audit/verification/").json()
    assert answer["status"] == "broken"
    assert answer["findings"] == [{"fault": "changed", "position": 2, "event": 2}]
