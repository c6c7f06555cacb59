"""H-07, P-05: the gateway on a real socket: starts, answers, stops by an event, and never repeats what it was sent."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from opendrape.errors import ConfigurationError
from opendrape.logging import configure
from opendrape.serving.server import _listening, run
from opendrape.settings import LogSettings
from opendrape_gateway.composition import create_app
from tests.fakes.gateway import AS_ADMIN, asset_id, gateway_container, register

CANARIES = ("zyxwvpatientovich", "4711990815", "drnowhere")


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    stop, ports = threading.Event(), Queue[int]()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, app, host="127.0.0.1", port=0, stop=stop, on_ready=ports.put)
        try:
            yield f"http://127.0.0.1:{ports.get(timeout=20)}"
        finally:
            stop.set()
            done.result(timeout=20)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        yield made


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    root, lines = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure(LogSettings(level="debug", style="json"), stream=lines)
    yield lines
    configure(LogSettings(), stream=None)
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answers_body_does_not_wait_for_its_heads_acknowledgement(host: str) -> None:
    """H-08: connections that are accepted send at once; otherwise each kept one costs 40 ms a request."""
    with _listening(host, 0) as listener, socket.create_connection(listener.getsockname()[:2], timeout=5):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_it_serves_on_any_free_port_and_stops_by_the_event(container: Any) -> None:
    """H-07: embedded in another process, on loopback, without taking its signals."""
    before = signal.getsignal(signal.SIGINT)
    register(container.catalogue, 1)
    with serving(create_app(container)) as base:
        assert httpx.get(f"{base}/health/ready").json()["status"] == "ok"
        response = httpx.get(f"{base}/api/videos/", headers=AS_ADMIN)
        assert [video["id"] for video in response.json()["videos"]] == [asset_id(1)]
        assert "server" not in response.headers
        assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/health/live")


def test_a_stop_before_the_start_ends_at_once(container: Any) -> None:
    """H-07: a process that is already stopping does not hang in its gateway."""
    stop = threading.Event()
    stop.set()
    run(create_app(container), host="127.0.0.1", port=0, stop=stop)


def test_an_address_in_use_is_a_configuration_error(container: Any) -> None:
    """H-07: told by reason, not by a stack trace or an exit of the process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConfigurationError) as caught:
            run(create_app(container), host="127.0.0.1", port=taken.getsockname()[1], stop=threading.Event())
    assert caught.value.reason == "address_in_use"


def test_an_app_that_does_not_start_is_a_configuration_error(container: Any) -> None:
    """H-07: a server that never was ready does not end silently."""

    @contextlib.asynccontextmanager
    async def broken(_app: object) -> Any:
        raise RuntimeError(CANARIES[0])
        yield

    app = create_app(container)
    app.router.lifespan_context = broken
    with pytest.raises(ConfigurationError) as caught:
        run(app, host="127.0.0.1", port=0, stop=threading.Event())
    assert caught.value.reason == "gateway_did_not_start"


def test_nothing_a_client_sends_comes_back_or_stays(container: Any, log_lines: io.StringIO) -> None:
    """P-05: canaries in path, query, headers, method and body occur in no answer, log line or metric."""
    name, number, doctor = CANARIES
    register(container.catalogue, 1)
    answers = []
    with serving(create_app(container)) as base, httpx.Client(base_url=base, headers=AS_ADMIN) as client:
        hostile = {
            "X-Request-ID": doctor,
            "User-Agent": doctor,
            "Referer": f"http://{doctor}/{name}",
            "Cookie": f"a={name}",
        }
        for path in (
            f"/{name}",
            f"/api/videos/{name}/",
            f"/api/videos/{name}%20{number}.mp4/",
            f"/api/videos/?state={name}",
            f"/api/videos/?after={name}!&limit={name}&{number}={doctor}",
            f"/api/videos/?after={number}&{doctor}={name}",
            f"/api/videos?limit=1&patient={name}",
            f"/api/videos//{name}//..%2f{number}",
            f"/health/ready?{name}={number}",
            f"/metrics?name[]={name}",
        ):
            answers.append(client.get(path, headers=hostile))
            answers.append(client.request("POST", path, headers=hostile, content=f'{{"{name}": "{number}"}}'))
        answers.append(client.request(name.upper(), "/api/videos/"))
        answers.append(client.get(f"/api/videos/{asset_id(1)}/", headers={"If-None-Match": f'"{name}"'}))
        answers.append(client.get("/api/videos/", headers={"Host": f"{doctor}.example"}))
        answers.append(client.get("/metrics"))
    written = log_lines.getvalue().lower()
    no_http = [answer for answer in answers if answer.request.method == name.upper()]
    assert [answer.status_code for answer in no_http] == [400]  # a method that HTTP does not know goes no further
    assert no_http[0].headers["content-type"] == "application/problem+json"
    assert written.count("request_answered") == len(answers) - len(no_http)
    assert '"route": "unmatched"' in written
    for canary in CANARIES:
        assert canary not in written
        for answer in answers:
            assert canary not in answer.text.lower()
            assert canary not in str(answer.headers).lower()
    assert all(answer.status_code != 500 for answer in answers)


def test_a_request_that_is_not_http_leaves_no_trace(container: Any, log_lines: io.StringIO) -> None:
    """P-05: uvicorn's own complaint about a broken request carries nothing of it."""
    with serving(create_app(container)) as base:
        port = int(base.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"GET /{CANARIES[0]} NONSENSE\r\n{CANARIES[1]}\r\n\r\n".encode())
            answer = raw.recv(4096).decode()
        assert httpx.get(f"{base}/health/live").status_code == 200
    for canary in CANARIES:
        assert canary not in answer.lower()
        assert canary not in log_lines.getvalue().lower()
