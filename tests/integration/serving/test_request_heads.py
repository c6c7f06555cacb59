"""H-08: how long a request's head may be, on a real socket: no client makes the door keep what has no end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from opendrape.serving.http_protocol import MOST_HEAD_BYTES
from opendrape_gateway.composition import create_app
from tests.fakes.door import serving
from tests.fakes.gateway import gateway_container

_START = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_PIECE = b"a" * 8192


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with gateway_container(Path(tmp_path_factory.mktemp("heads"))) as container, serving(create_app(container)) as url:
        yield "127.0.0.1", httpx.URL(url).port or 0


def _told(address: tuple[str, int], begin: bytes, more: bytes, times: int) -> bytes:
    """What comes back of an endless request, until the server ends it."""
    with socket.create_connection(address, timeout=10) as client:
        told = b""
        try:
            client.sendall(begin)
            for _ in range(times):
                client.sendall(more)
            while piece := client.recv(65536):
                told += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said may be lost with what it did not read
        return told


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        pytest.param(_START + b"X-A: ", _PIECE, id="a header without an end"),
        pytest.param(_START + b"X-", _PIECE, id="a header's name without an end"),
        pytest.param(_START, b"X-A: " + _PIECE + b"\r\n", id="headers without an end"),
        pytest.param(_START, b"a: b\r\n" * 1000, id="small headers without an end"),
        pytest.param(b"GET /", _PIECE, id="an address without an end"),
        pytest.param(b"\r\n", b"\r\n" * 4096, id="empty lines without an end"),
        pytest.param(
            _START.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            b"X-A: " + _PIECE + b"\r\n",
            id="headers behind a body without an end",
        ),
        pytest.param(
            _START.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n1;", _PIECE, id="a chunk's extension"
        ),
    ],
)
def test_what_has_no_end_is_cut_off(address: tuple[str, int], begin: bytes, more: bytes) -> None:
    """H-08: 400 or a closed connection, after not much more than the limit; others are answered meanwhile."""
    told = _told(address, begin, more, 40 * MOST_HEAD_BYTES // len(more))
    status = told.split(b" ")[1] if told else b"cut off"
    assert status in {b"400", b"401", b"405", b"cut off"}, told[:200]
    assert httpx.get(f"http://127.0.0.1:{address[1]}/health/live").status_code == 200


def test_a_long_head_within_the_limit_is_read(address: tuple[str, int]) -> None:
    """H-08: tokens of an issuer are long."""
    headers = {"X-Long": "a" * (MOST_HEAD_BYTES - 1000)}
    assert httpx.get(f"http://127.0.0.1:{address[1]}/health/live", headers=headers).status_code == 200


def test_many_requests_of_one_connection_are_counted_apart(address: tuple[str, int]) -> None:
    """H-08: a connection that stays open may ask for ever."""
    with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}") as client:
        asked = [client.get("/health/live", headers={"X-Long": "a" * 20_000}).status_code for _ in range(8)]
    assert asked == [200] * 8
