"""H-08: clients that others generate from docs/openapi.json are typed, complete, and work against a real gateway."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.domain.access import Role
from opendrape.settings import DoorSettings
from opendrape_gateway.composition import create_app
from tests.clients.makers import DESCRIPTION, PythonMaker, TypeScriptMaker
from tests.fakes.door import serving, whole_container
from tests.fakes.gateway import plan, register

pytestmark = pytest.mark.timeout(240)
LANGUAGES = pytest.mark.parametrize("language", [PythonMaker, TypeScriptMaker])
RENAMED = [("VideoList", "videos"), ("FramesStarted", "request_id"), ("NewKey", "label"), ("Problem", "reason")]
"""Fields of answers, of a body and of a problem."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A real server with one video that is being masked, and an administrator's key."""
    with whole_container(tmp_path / "gateway", door=DoorSettings(burst_requests=10**6)) as container:
        policy = container.policies.get("faces")
        container.policies.remember(policy)
        register(container.catalogue, 1, policy=policy.reference)
        plan(container.catalogue, (0, 200), (200, 300))
        office = KeyOffice(container.access, container.clock)
        issued = office.issue(label="x", roles=[Role.ADMIN], scopes=None, days=1, actor="test")
        with serving(create_app(container)) as url:
            yield {"OPENDRAPE_URL": url, "OPENDRAPE_KEY": issued.text}


def described() -> dict[str, Any]:
    """The committed description."""
    return dict(json.loads(DESCRIPTION.read_text("utf-8")))


@LANGUAGES
def test_a_generated_client_does_a_days_work(
    language: type[PythonMaker | TypeScriptMaker], gateway: dict[str, str], tmp_path: Path
) -> None:
    """H-08: keys, videos, frames, uploads, marks; types hold under the strictest checks, refusals are problems."""
    client = language(tmp_path)
    said = client.make(described())
    assert "warn" not in said.lower()
    assert client.check() == ""
    assert client.run(gateway) == {
        "video": ["processing", "masking", 300, [200, 300]],
        "keys": {
            "roles": ["user"],
            "own": 0,
            "others": [404, 404, "not_found"],
            "stranger": [401, 401, "sign_in_required"],
        },
        "frames": {
            "replayed": True,
            "again": [409, 409, "same_work"],
            "status": ["pending", 0, 10],
            "listed": [["faces", "png", True]],
            "cancelled": "cancelled",
        },
        "uploads": {"form": ["complete", 12], "pieces": ["complete", 12, None]},
        "marking": {"marks": 409, "receipt": 404},
    }


@LANGUAGES
def test_a_renamed_field_is_found_before_the_program_runs(
    language: type[PythonMaker | TypeScriptMaker], tmp_path: Path
) -> None:
    """H-08: the check above can fail: each rename alone is named by the language's checker."""
    client = language(tmp_path)
    document = described()
    for schema, name in RENAMED:
        document = renamed(document, schema, name)
    client.make(document)
    found = client.check()
    for schema, name in RENAMED:
        assert re.search(rf"[\"']{name}[\"']", found), (schema, name, found)


def renamed(document: dict[str, Any], schema: str, name: str) -> dict[str, Any]:
    """The description with another name for one field."""
    changed = copy.deepcopy(document)
    fields = changed["components"]["schemas"][schema]
    fields["properties"][f"{name}_new"] = fields["properties"].pop(name)
    fields["required"] = [f"{one}_new" if one == name else one for one in fields["required"]]
    return changed
