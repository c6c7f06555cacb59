"""H-02: no list and no status call goes through a whole table, on either database, as the databases themselves say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from benchmarks import gateway_filling as filling
from benchmarks.gateway_lists import Measured, ask, calls
from benchmarks.gateway_plans import Heard

from opendrape_gateway.composition import create_app
from tests.fakes.door import key_of, whole_container
from tests.servers.postgresql import PostgreSQL

VIDEOS = 100
ROOMY = {"burst_requests": 10**6, "requests_per_second": 10**6}
WALKS_AN_INDEX = {
    "listVideos": "the first page of all, which ends after a page",
    "listFrames": "the same, and how many there are in all",
    "getFramesHealth": "counts what has ended",
    "getFramesStatus": "the pace of the latest that ended",
}


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """SQLite; or PostgreSQL, told to read a table from end to end only where nothing else is possible."""
    if request.param == "sqlite":
        return ""
    made = str(request.getfixturevalue("catalogue_url"))
    server: PostgreSQL = request.getfixturevalue("postgresql")
    server.execute(f"ALTER DATABASE {made.rpartition('/')[2]} SET enable_seqscan = off")
    return made


@pytest.fixture
def asked(tmp_path: Path, url: str) -> list[Measured]:
    """Every call, asked once, with the plans of what it read."""
    with whole_container(tmp_path, catalogue={"url": url}, door=ROOMY) as container:
        keys = {who: key_of(container, who) for who in ("anna", "chief")}
        filling.walk(container)
        filling.fill(container, filling.Amounts(VIDEOS))
        with Heard.on(container.catalogue.database.engine) as heard:
            return asyncio.run(ask(create_app(container), calls(VIDEOS), keys, heard, repeats=1))


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_every_list_and_status_call_is_answered_from_indexes(asked: list[Measured]) -> None:
    """H-02: whatever the size of the catalogue, a page costs a page."""
    walks = {(one.call, line) for one in asked for plan in one.plans for line in plan.walks}
    assert {call.operation for call, _ in walks} <= set(WALKS_AN_INDEX)
    tables = {(call.path, line) for call, line in walks if not ("USING" in line or line.startswith("Index"))}
    # SQLite's table of requests is itself in the order of the page
    assert {line for _, line in tables} <= {"SCAN frame_requests"}
    assert not any("status=" in path or "health" in path for path, _ in tables)
    assert all(one.plans for one in asked if one.call.path.startswith("/api/videos/"))
