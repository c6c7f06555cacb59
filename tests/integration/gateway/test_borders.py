"""H-08: hostile requests on a real socket and through the whole stack: too big, too deep, too slow, no HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opendrape.serving.server import run
from opendrape_gateway.composition import create_app
from tests.fakes.gateway import ADMIN_KEY, AS_ADMIN, ask, gateway_container

KEYS = "/api/keys/"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with gateway_container(folder) as made:
        gateway = made.settings.gateway.model_copy(update={"max_body_bytes": 4096, "body_silence_seconds": 0.3})
        made.settings = made.settings.model_copy(update={"gateway": gateway})
        yield made


@pytest.fixture(scope="module")
def app(container: Any) -> Any:
    return create_app(container)


@pytest.fixture(scope="module")
def port(app: Any) -> Iterator[int]:
    stop, ports = threading.Event(), Queue[int]()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, app, host="127.0.0.1", port=0, stop=stop, on_ready=ports.put, head_seconds=0.5)
        try:
            yield ports.get(timeout=20)
        finally:
            stop.set()
            done.result(timeout=20)


def raw(port: int, content: bytes, *, hold: bool = False) -> bytes:
    """Send bytes, read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(content)
            if not hold:
                connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
        return received


def head(method: str, path: str, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {ADMIN_KEY.shown()}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def is_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    return problem


# -- too big ----------------------------------------------------------------------------------------------------------
def test_a_body_that_says_it_is_too_long_is_not_read(port: int) -> None:
    """H-08: 413 at once: the body is never sent, and the answer comes all the same."""
    answer = raw(port, head("POST", KEYS, "Content-Length: 1000000000000"), hold=True)
    assert status_of(answer) == 413
    assert b"body_too_large" in answer
    assert b"Content-Security-Policy".lower() in answer.lower()


def test_a_body_that_does_not_say_its_length_is_cut_off(app: Any) -> None:
    """H-08: reading ends with the piece that is too much."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 1024

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=AS_ADMIN
        ) as client:
            return await client.post(KEYS, content=pieces(), headers=JSON)

    assert is_problem(asyncio.run(post()), 413)["reason"] == "body_too_large"
    assert sent <= 6


def test_a_body_of_just_the_right_length_is_read(app: Any) -> None:
    """H-08: the limit is the limit."""
    body = json.dumps({"label": "pacs", "roles": ["user"]}).encode()
    assert ask(app, KEYS, method="POST", content=body.ljust(4096), headers=JSON).status_code == 201
    assert ask(app, KEYS, method="POST", content=body.ljust(4097), headers=JSON).status_code == 413


def test_nothing_is_read_of_somebody_who_is_not_let_in(app: Any) -> None:
    """H-05: 401 comes before the first byte of the body."""
    read = 0

    async def story() -> int:
        nonlocal read

        async def receive() -> dict[str, Any]:
            nonlocal read
            read += 1
            return {"type": "http.request", "body": b"x", "more_body": True}

        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": KEYS,
            "raw_path": KEYS.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(story()) == 401
    assert read == 0


def test_long_heads_are_refused(port: int) -> None:
    """H-08: neither a long path nor long headers fill the memory."""
    for content in (
        head("GET", "/api/videos/?after=" + "a" * 200_000),
        head("GET", "/api/videos/", "X-Long: " + "a" * 200_000),
        head("GET", "/api/videos/", *(f"X-{number}: a" for number in range(20_000))),
    ):
        answer = raw(port, content)
        assert answer == b"" or status_of(answer) in {400, 404, 414, 422, 431}


# -- too slow ---------------------------------------------------------------------------------------------------------
def test_a_body_that_stalls_is_refused(port: int) -> None:
    """H-08: 408, and the connection is free again."""
    answer = raw(port, head("POST", KEYS, "Content-Length: 100", "Content-Type: application/json") + b"{", hold=True)
    assert status_of(answer) == 408
    assert b"body_too_slow" in answer


@pytest.mark.parametrize("begun", [b"", b"GET /api/videos/ HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_comes_is_cut_off(port: int, begun: bytes) -> None:
    """H-08: a connection that asks nothing does not stay."""
    start = time.monotonic()
    assert raw(port, begun, hold=True) == b""
    assert time.monotonic() - start < 5


def test_many_who_ask_nothing_do_not_keep_others_out(port: int) -> None:
    """H-08: more of them than the server takes at once; it answers again within seconds."""
    with contextlib.ExitStack() as held:
        for _ in range(300):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=2).status_code == 200:
                    break
        else:
            pytest.fail("nobody else got an answer")


# -- nonsense ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 4000,
        b'{"a":' * 800,
        b'{"label": "pacs", "roles": ["user"], "days": ' + b"9" * 4000 + b"}",
        b'{"label": "pacs", "roles": ["user"], "days": 1e999}',
        b'{"label": "pacs", "roles": ["user"], "days": -1e999}',
        b'{"label": "pacs", "roles": ["user"], "days": NaN}',
        b'{"label": "pacs\\u0000", "roles": ["user"]}',
        b'{"label": "\\ud800", "roles": ["user"]}',
        b'{"label": "pacs", "label": "other", "roles": {"user": 1}}',
        b"\xff\xfe\x00",
        b"",
        b"null",
        b"0",
        b'"text"',
    ],
)
def test_a_body_of_nonsense_is_a_problem_without_an_echo(app: Any, body: bytes) -> None:
    """H-08: deep, huge, not a number, no text: 4xx, never 500."""
    response = ask(app, KEYS, method="POST", content=body, headers=JSON)
    assert response.status_code in {400, 422}, response.text
    is_problem(response, response.status_code)
    assert "pacs" not in response.text


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "a/b; c=\xff", ""]
)
def test_a_body_of_another_kind_is_a_problem(app: Any, kind: str) -> None:
    """H-08: whatever it is called."""
    headers = {"Content-Type": kind.encode("latin-1")}
    response = ask(app, KEYS, method="POST", content=b"label=pacs", headers=headers)  # type: ignore[arg-type]
    assert response.status_code in {400, 415, 422}
    assert "pacs" not in response.text


@pytest.mark.parametrize(
    "query",
    [
        "limit=" + "9" * 5000,
        "limit=-1",
        "limit=1e3",
        "limit=0x10",
        "limit=%F0%9D%9F%8F0",
        "limit=1&limit=2",
        "after=%00",
        "after=%ff%fe",
        "after=" + "0" * 5000,
        "%00=%00",
        "&&&=&=",
    ],
)
@pytest.mark.parametrize("path", ["/api/keys/", "/api/audit/", "/api/audit/fhir/", "/api/videos/"])
def test_a_query_of_nonsense_is_a_problem_or_ignored(app: Any, path: str, query: str) -> None:
    """H-08: huge numbers, odd digits, odd bytes: never 500."""
    response = ask(app, f"{path}?{query}")
    assert response.status_code in {200, 422}, response.text
    if response.status_code == 422:
        assert is_problem(response, 422)["errors"]


def test_random_bytes_on_the_socket_do_not_disturb_it(port: int) -> None:
    """H-08: whatever comes is answered with 4xx or cut off; the next one is served."""
    chance = random.Random(20260101)
    for number in range(60):
        noise = chance.randbytes(chance.randrange(1, 3000))
        content = noise if number % 3 else b"POST /api/keys/ HTTP/1.1\r\nHost: 127.0.0.1\r\n" + noise + b"\r\n\r\n"
        answer = raw(port, content)
        assert answer == b"" or 400 <= status_of(answer) < 500, answer[:200]
    assert httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Authorization: Bearer \xff\xfe",),
        ("X-Request-ID: \x01",),
        ("Host: [::1",),
    ],
)
def test_heads_that_two_servers_read_differently_do_no_harm(port: int, lines: tuple[str, ...]) -> None:
    """H-08: smuggling forms end in 4xx or a closed connection."""
    answer = raw(port, head("POST", KEYS, "Content-Type: application/json", *lines) + b"hello")
    assert answer == b"" or 400 <= status_of(answer) < 500, answer[:200]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(st.characters(codec="utf-8", exclude_characters="?#", exclude_categories=["Cs"]), max_size=40),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    body=st.binary(max_size=100),
)
def test_any_path_method_and_body_is_answered_without_a_fault(app: Any, path: str, method: str, body: bytes) -> None:
    """H-08: property-based: no 5xx, security headers on each answer."""
    from urllib.parse import quote

    for prefix in ("/", "/api/keys/", "/api/audit/"):
        response = ask(app, prefix + quote(path), method=method, content=body)
        assert response.status_code < 500
        assert response.headers["x-content-type-options"] == "nosniff"
