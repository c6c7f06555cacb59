"""H-02, H-08: server-sent events over a real socket: resumed, bounded, kept alive, ended with journey or server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.door import app_for, serving
from tests.fakes.gateway import asset_id, gateway_container, plan, register

QUICK = {"event_poll_seconds": 0.02, "event_comment_seconds": 0.1, "event_streams": 2}


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path, door=QUICK) as made:
        register(made.catalogue, 1)
        yield made


@pytest.fixture
def base(container: Any) -> Iterator[str]:
    with serving(app_for(container)) as address:
        yield f"{address}/api/videos/{asset_id(1)}/events/"


@contextlib.contextmanager
def stream(url: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    with httpx.stream("GET", url, headers=headers, timeout=20) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, text = line.partition(": ")
            event[name] = text
        elif event:
            yield event
            event = {}


def states(events: Iterator[dict[str, str]], until: str) -> list[tuple[int, str]]:
    seen = []
    for event in events:
        if event.get("event") == "state":
            told = json.loads(event["data"])
            assert told["id"] == int(event["id"])
            seen.append((told["id"], told["internal_state"]))
            if told["internal_state"] == until:
                return seen
    return seen


def test_a_stream_tells_what_happens_and_ends_with_the_journey(container: Any, base: str) -> None:
    """H-02: state events as they come, progress between them, `end` at last."""
    with stream(base) as events:
        assert [state for _, state in states(events, "registered")] == ["registered"]
        plan(container.catalogue, (0, 300))
        assert [state for _, state in states(events, "masking")] == ["masking"]
        progress = next(event for event in events if event.get("event") == "progress")
        assert json.loads(progress["data"])["frames"] == 300
        assert "id" not in progress
        container.catalogue.cancel(asset_id(1), actor="test")
        rest = list(events)
        assert rest[-1]["event"] == "end"


def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(container: Any, base: str) -> None:
    """H-02: `Last-Event-ID`; when all is told and over, 204 says: do not ask again."""
    with stream(base) as events:
        [(first, _)] = states(events, "registered")
    plan(container.catalogue, (0, 300))
    container.catalogue.cancel(asset_id(1), actor="test")
    with stream(base, **{"Last-Event-ID": str(first)}) as events:
        seen = states(events, "nothing")
    assert [state for _, state in seen] == ["masking", "cancelled"]
    last = httpx.get(base, headers={"Last-Event-ID": str(seen[-1][0])})
    assert (last.status_code, last.content) == (204, b"")


def test_silence_is_broken_by_comments(base: str) -> None:
    """H-02: proxies keep the connection."""
    with httpx.stream("GET", base, timeout=20) as response:
        assert next(line for line in response.iter_lines() if line.startswith(":")) == ": still here"


def test_there_are_only_so_many_streams_and_a_closed_one_makes_room(base: str) -> None:
    """H-08: 503 with Retry-After; the place of a client that went is free again."""
    with stream(base), stream(base):
        refused = httpx.get(base)
        assert (refused.status_code, refused.json()["reason"]) == (503, "too_many_event_streams")
        assert refused.headers["retry-after"] == "5"
    deadline = time.monotonic() + 10
    while True:
        with httpx.stream("GET", base, timeout=20) as response:
            if response.status_code == 200:
                break
        assert time.monotonic() < deadline


def test_a_stopping_server_closes_its_streams(container: Any) -> None:
    """H-07: without waiting for the client."""
    with serving(app_for(container)) as address:
        response = httpx.stream("GET", f"{address}/api/videos/{asset_id(1)}/events/", timeout=20)
        opened = response.__enter__()
        lines = opened.iter_lines()
        assert next(lines) == "retry: 3000"
        begun = time.monotonic()
    assert time.monotonic() - begun < 4
    with contextlib.suppress(httpx.HTTPError):
        list(lines)
    response.__exit__(None, None, None)


@pytest.mark.parametrize("given", ["-1", "many", str(2**70)])
def test_an_id_that_is_none_is_refused(base: str, given: str) -> None:
    """H-08: 422, not a fault."""
    assert httpx.get(base, headers={"Last-Event-ID": given}).status_code == 422
