"""H-08: property-based requests against every operation of the description: no fault, no surprise, no echo."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape_gateway.composition import describe_api
from tests.fakes.door import app_for
from tests.fakes.gateway import ask, asset_id, gateway_container, three_videos
from tests.fakes.key_maps import Maps

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ROOMY = {"burst_requests": 10**6, "requests_per_second": 10**6}
UPLOADS = {"reserve_bytes": 0, "max_bytes": 10**6, "open_per_user": 10**6}
OPERATIONS = sorted(
    operation["operationId"] for path in describe_api()["paths"].values() for operation in path.values()
)
FEW, MANY = 4, 260
LEAST_LONG = 5000


schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@dataclass
class Fuzzed:
    """An app with something in it, and how many requests of which status it got."""

    app: Any
    known: dict[str, list[str]]
    statuses: dict[int, int] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(20261127))

    @cached_property
    def schema(self) -> Any:
        """The description as a client gets it."""
        return schemathesis.openapi.from_asgi("/api/openapi.json", self.app, config=SchemathesisConfig())

    def run(self, operation_id: str, examples: int) -> int:
        """So many requests of one operation, half of them about something that exists; returns how many were made."""
        operation = self.schema.find_operation_by_id(operation_id)
        made = 0

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            nonlocal made
            made += 1
            self._aim(case)
            response = case.call()
            self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
            case.validate_response(response, checks=CHECKS)
            self._judge(case, response)

        each()
        return made

    def _aim(self, case: Any) -> None:
        for name, values in self.known.items():
            if name in (case.path_parameters or {}) and self.chance.random() < 0.5:
                case.path_parameters[name] = self.chance.choice(values)
        if "/uploads" in case.path and self.chance.random() < 0.7:
            case.headers["Tus-Resumable"] = "1.0.0"

    def _judge(self, case: Any, response: Any) -> None:
        if response.status_code < 400 or (response.status_code == 503 and "health" in case.path):
            return
        is_head = case.method.upper() == "HEAD"
        assert response.headers["content-type"][0] == "application/problem+json"
        text = "" if is_head else response.text
        given_texts = chain((case.path_parameters or {}).values(), (case.query or {}).values())
        for given_text in given_texts:
            if isinstance(given_text, str) and len(given_text) > 8:
                assert given_text not in text


@contextmanager
def _fuzzed(folder: Path) -> Iterator[Fuzzed]:
    maps = Maps(folder / "map")
    (folder / "map").mkdir()
    with gateway_container(folder, door=ROOMY, uploads=UPLOADS, webhooks={"per_user": 10**6}) as container:
        container.destination_blobs, container.key_map = LocalBlobStore(folder / "out"), maps.open()
        three_videos(container)
        app = app_for(container)
        app.state.listens_on = "0.0.0.0"  # any Host header will do
        app.state.stopping.set()  # event streams end at once
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
        upload = ask(app, "/api/uploads/", method="POST", headers=headers).headers["location"].split("/")[3]
        webhook = ask(app, "/api/webhooks/", method="POST", json={"url": "https://example.org/"}).json()["id"]
        known = {
            "asset_id": [asset_id(number) for number in (1, 2, 3)],
            "upload_id": [upload],
            "webhook_id": [webhook],
        }
        yield Fuzzed(app, known)
    maps.close()


def test_every_operation_answers_whatever_it_is_sent_as_described(tmp_path: Path) -> None:
    """H-08: a few requests each; thousands in the long run."""
    with _fuzzed(tmp_path) as fuzzed:
        assert all(fuzzed.run(operation_id, FEW) for operation_id in OPERATIONS)
    assert not [status for status in fuzzed.statuses if status >= 500]


@pytest.mark.long
def test_thousands_of_requests_find_no_fault(tmp_path: Path) -> None:
    """H-08: every operation, on one app whose state they change for each other."""
    with _fuzzed(tmp_path) as fuzzed:
        made = sum(fuzzed.run(operation_id, MANY) for operation_id in OPERATIONS)
        print(f"{made} requests, by status: {dict(sorted(fuzzed.statuses.items()))}")
    assert made >= LEAST_LONG
    assert not [status for status in fuzzed.statuses if status >= 500]
