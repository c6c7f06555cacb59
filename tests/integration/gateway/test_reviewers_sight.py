"""H-05, V-18: a reviewer sees whatever waits for a decision, whoever brought it, and only as long as it waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.domain.access import Role
from opendrape.domain.work import Disposition, Failure, WorkKind
from opendrape_gateway.composition import create_app
from tests.fakes.gateway import ask, asset_id, gateway_container, register

ANNA = "client-aaaaaaaaaaaaaaaa"


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    """Anna's videos 1 and 2, video 3 of a watched folder; 2 and 3 are quarantined."""
    with gateway_container(tmp_path) as made:
        policy = made.policies.get("faces")
        made.policies.remember(policy)
        for number in (2, 3, 1):
            register(made.catalogue, number, policy=policy.reference)
        for _ in (2, 3):
            lease = made.catalogue.claim({WorkKind.PLAN}, owner="test-0001", lease_seconds=600)
            made.catalogue.fail(lease, Failure(reason="residual_found", disposition=Disposition.QUARANTINE))
        for number in (1, 2):
            made.door.owners.add(asset_id(number), ANNA)
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    """The gateway over it."""
    return create_app(container)


def key(container: Any, *roles: Role) -> tuple[dict[str, str], str]:
    """Headers of a new client, and who that is."""
    office = KeyOffice(container.access, container.clock)
    issued = office.issue(label="x", roles=list(roles), scopes=None, days=1, actor="test")
    return {"Authorization": f"Bearer {issued.text}"}, issued.key.client


def listed(app: Any, headers: dict[str, str], query: str = "") -> list[str]:
    """The ids of a list."""
    return [video["id"] for video in ask(app, f"/api/videos/{query}", headers=headers).json()["videos"]]


def test_a_reviewers_list_has_what_waits_and_own_videos(app: Any, container: Any) -> None:
    """H-05: in id order, each once, page by page and by state; others see nothing of it."""
    headers, reviewer = key(container, Role.REVIEWER)
    assert listed(app, headers) == [asset_id(2), asset_id(3)]
    container.door.owners.add(asset_id(1), reviewer)
    container.door.owners.add(asset_id(2), reviewer)
    assert listed(app, headers) == [asset_id(1), asset_id(2), asset_id(3)]
    assert listed(app, headers, "?limit=2") == [asset_id(1), asset_id(2)]
    assert listed(app, headers, f"?limit=2&after={asset_id(2)}") == [asset_id(3)]
    assert listed(app, headers, "?state=quarantined") == [asset_id(2), asset_id(3)]
    assert listed(app, headers, "?state=pending") == [asset_id(1)]
    assert listed(app, key(container, Role.USER)[0]) == []
    assert listed(app, key(container, Role.SERVICE)[0]) == []


def test_the_sight_ends_with_the_decision(app: Any, container: Any) -> None:
    """H-05: marks send the video back to masking; then it is its owner's alone again, in the list and by its id."""
    headers, _ = key(container, Role.REVIEWER)
    address = f"/api/videos/{asset_id(2)}/"
    marks = {"regions": [{"x": 0, "y": 0, "width": 8, "height": 8}]}
    assert ask(app, address, headers=headers).json()["reason"] == "residual_found"
    assert ask(app, f"{address}regions/", method="PUT", headers=headers, json=marks).status_code == 200
    assert ask(app, address, headers=headers).status_code == 404
    assert listed(app, headers) == [asset_id(3)]
    assert ask(app, address).json()["state"] == "pending"


def test_a_stream_of_events_tells_a_reviewer_nothing_after_the_decision(app: Any, container: Any) -> None:
    """H-05: a stream that was opened while the video waited ends, and what came after is not in it."""
    headers, _ = key(container, Role.REVIEWER)
    told = ask(app, f"/api/videos/{asset_id(2)}/events/", headers=headers).text
    assert '"state":"quarantined"' in told.replace(" ", "")
    assert told.endswith("event: end\ndata: {}\n\n")


def test_frames_of_it_are_not_a_reviewers_to_take(app: Any, container: Any) -> None:
    """H-05: looking is not taking away: a request for frames of another's video finds none."""
    headers, _ = key(container, Role.REVIEWER)
    segment = container.segments.of_asset(asset_id(2))
    assert list(segment) == []
    wish = {"video_id": asset_id(2), "segment_ids": [1]}
    assert ask(app, "/api/frames/anonymize/", method="POST", headers=headers, json=wish).status_code == 404
