"""H-08: whatever is sent to the addresses for frames and segments, the server is never at fault."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opendrape_gateway.composition import create_app
from tests.fakes.gateway import ask, asset_id, gateway_container, plan, register

pytestmark = pytest.mark.timeout(120)
NUMBERS = st.one_of(st.integers(-3, 400), st.integers(), st.floats(), st.booleans(), st.none())
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([asset_id(1), "faces", "jpg", "minimal", "\ud800", "\0", "1"]))
ANYTHING = st.recursive(
    st.one_of(NUMBERS, TEXTS), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("video_id", "segment_ids", "anonymization_level", "output_format"), ANYTHING),
        **dict.fromkeys(("label", "start_frame", "end_frame"), st.one_of(NUMBERS, TEXTS)),
    },
)
IDS = st.one_of(TEXTS, st.uuids().map(str), st.integers().map(str))
PATHS = [
    ("POST", "/api/frames/anonymize/"),
    ("GET", "/api/frames/anonymize/status/{}/"),
    ("GET", "/api/frames/anonymize/download/{}"),
    ("POST", "/api/frames/anonymize/download/{}/token/"),
    ("GET", "/api/frames/anonymize/requests/?video_id={0}&limit={0}&offset={0}&status={0}"),
    ("GET", "/api/frames/anonymize/requests?video_id={0}"),
    ("DELETE", "/api/frames/anonymize/{}/"),
    ("POST", "/api/videos/{}/segments/"),
    ("GET", f"/api/videos/{asset_id(1)}/segments/{{}}/"),
    ("PUT", f"/api/videos/{asset_id(1)}/segments/{{}}/"),
    ("POST", f"/api/videos/{asset_id(1)}/segments/"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with gateway_container(folder) as container:
        known = container.policies.get("minimal")
        container.policies.remember(known)
        register(container.catalogue, 1, policy=known.reference)
        plan(container.catalogue, (0, 300))
        yield create_app(container)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(where=st.sampled_from(PATHS), named=IDS, content=st.one_of(WISHES, ANYTHING))
def test_no_request_is_the_servers_fault(app: Any, where: tuple[str, str], named: str, content: object) -> None:
    """Every refusal is a problem with a status below 500."""
    method, path = where
    address = path.format(quote(named.encode("utf-8", "surrogatepass"), safe=""))
    body = json.dumps(content) if method in ("POST", "PUT") else None
    answer = ask(app, address, method=method, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (address, body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert uuid.UUID(answer.headers["x-request-id"])
