"""I-01: resumable uploads over a real socket by a real client, cut and killed in the middle, until they are videos."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tusclient.client import TusClient

from opendrape.bootstrap import Container
from opendrape.domain.uploads import UploadState
from opendrape_ingest.composition import build_upload_intake
from tests.fakes.door import app_for, serving, whole_container
from tests.servers.process import free_port, listens, running

HEADERS = {"Tus-Resumable": "1.0.0"}
SMALL_PIECES = {"piece_bytes": 2**16}
NAME = "zyxwvpatientovich 4711990815.mp4"


def content_of(seed: int, size: int = 3_000_017) -> bytes:
    """Bytes that look like an MP4 at their beginning and like nothing else after."""
    return b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + random.Random(seed).randbytes(size - 24)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    with whole_container(tmp_path, uploads=SMALL_PIECES | {"reserve_bytes": 0}) as made:
        yield made


@pytest.fixture
def base(container: Container) -> Iterator[str]:
    with serving(app_for(container)) as address:
        yield address


def begin(base: str, content: bytes, **metadata: str) -> str:
    encoded = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items())
    headers = HEADERS | {"Upload-Length": str(len(content)), "Upload-Metadata": encoded}
    response = httpx.post(f"{base}/api/uploads/", headers=headers)
    assert response.status_code == 201, response.text
    return base + response.headers["location"]


def patch(url: str, piece: bytes, offset: int, **more: str) -> httpx.Response:
    headers = HEADERS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"} | more
    return httpx.patch(url, content=piece, headers=headers)


def offset_of(url: str) -> int:
    return int(httpx.head(url, headers=HEADERS).headers["upload-offset"])


def intake(container: Container) -> None:
    build_upload_intake(container).tick()


def stored(container: Container, url: str) -> bytes:
    return (container.settings.uploads_dir / url.rstrip("/").rpartition("/")[2]).read_bytes()


def cut_connection(url: str, piece: bytes, offset: int, sent: int) -> None:
    """Announce the piece, send only some of it, and go away without a word."""
    address = httpx.URL(url)
    head = (
        f"PATCH {address.path} HTTP/1.1\r\nHost: {address.host}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
        f"Content-Length: {len(piece)}\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + piece[:sent])


def test_a_real_client_uploads_with_checksums_and_the_name_stays_with_the_key_map(
    container: Container, base: str
) -> None:
    """I-01, P-04: tuspy in pieces; then ingest makes a video of it; the file's name is in the key map alone."""
    content = content_of(1)
    client = TusClient(f"{base}/api/uploads/")
    uploader = client.uploader(
        file_stream=io.BytesIO(content), chunk_size=700_000, metadata={"filename": NAME}, upload_checksum=True
    )
    uploader.upload()
    shown = httpx.get(uploader.url).json()
    assert (shown["state"], shown["offset"], shown["video"]) == ("complete", len(content), None)
    intake(container)
    shown = httpx.get(uploader.url).json()
    assert shown["state"] == "registered"
    asset = container.catalogue.asset(shown["video"])
    assert asset.content_sha256 == hashlib.sha256(content).hexdigest()
    [source] = container.key_map.sources(asset.asset_id)
    assert source.original_name == NAME
    with container.sources.open(asset.asset_id) as opened:
        assert opened.size_bytes == len(content)
    told = httpx.get(f"{base}/api/videos/{asset.asset_id}/").text + httpx.get(f"{base}/api/uploads/").text
    catalogue = b"".join(file.read_bytes() for file in container.settings.state_dir.glob("*.sqlite3*"))
    assert "patientovich" not in told
    assert b"patientovich" not in catalogue
    assert container.door.owners.is_owner(asset.asset_id, "chief")


def test_cut_at_fifty_random_points_and_resumed_it_is_the_same_content(container: Container, base: str) -> None:
    """I-01: fifty connections that break anywhere; what was acknowledged is never lost, and the SHA-256 is right."""
    chance, content = random.Random(20261127), content_of(2)
    url, cuts, offset = begin(base, content, filename="a.mp4"), 0, 0
    while cuts < 50:
        rest = content[offset:]
        cut_connection(url, rest, offset, sent=chance.randint(0, min(len(rest) - 1, 120_000)))
        after = offset_of(url)
        assert offset <= after < len(content)
        offset, cuts = after, cuts + 1
    deadline = time.monotonic() + 20
    while (response := patch(url, content[offset:], offset)).status_code == 409:  # the last cut is still being stored
        assert time.monotonic() < deadline
        offset = offset_of(url)
    assert response.status_code == 204
    assert hashlib.sha256(stored(container, url)).hexdigest() == hashlib.sha256(content).hexdigest()
    intake(container)
    assert httpx.get(url).json()["state"] == "registered"


def test_a_killed_server_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """I-01: kill -9 three times in the middle of an upload; each time it goes on from the offset that is told."""
    content, chance = content_of(3), random.Random(9)
    port, log = free_port(), tmp_path / "server.log"
    settings = '{"piece_bytes": 65536, "reserve_bytes": 0}'
    command = [sys.executable, "-m", "tests.fakes.door", str(tmp_path), str(port), settings]
    url, offset = "", 0
    for _ in range(3):
        with running(command, log=log, is_ready=lambda: listens(port)) as server:
            url = url or begin(f"http://127.0.0.1:{port}", content, filename="a.mp4")
            assert offset_of(url) >= offset
            offset = offset_of(url)
            cut_connection(url, content[offset:], offset, sent=chance.randint(200_000, 600_000))
            deadline = time.monotonic() + 20
            while offset_of(url) < offset + 65536:
                assert time.monotonic() < deadline
            offset = offset_of(url)
            server.kill()
    with running(command, log=log, is_ready=lambda: listens(port)):
        assert offset_of(url) >= offset
        offset = offset_of(url)
        assert patch(url, content[offset:], offset).status_code == 204
    with whole_container(tmp_path) as container:
        intake(container)
        [asset] = container.catalogue.assets()
        assert asset.content_sha256 == hashlib.sha256(content).hexdigest()


def test_a_piece_with_a_wrong_checksum_is_not_kept(container: Container, base: str) -> None:
    """I-01: 460, the offset stays, and the right piece is taken afterwards."""
    content = content_of(4, 300_000)
    url = begin(base, content)
    right = "sha256 " + base64.b64encode(hashlib.sha256(content).digest()).decode()
    altered = content[:-1] + bytes([content[-1] ^ 1])
    refused = patch(url, altered, 0, **{"Upload-Checksum": right})
    assert (refused.status_code, refused.json()["reason"]) == (460, "upload_checksum")
    assert offset_of(url) == 0
    assert patch(url, content, 0, **{"Upload-Checksum": right}).status_code == 204
    assert stored(container, url) == content


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Content-Type": "video/mp4"}, 415),
        ({"Upload-Offset": "7"}, 409),
        ({"Upload-Offset": "many"}, 400),
        ({"Upload-Checksum": "md5 AAAA"}, 400),
        ({"Upload-Checksum": "sha256 AAAA"}, 400),
    ],
)
def test_a_request_that_breaks_the_protocol_is_refused(base: str, change: dict[str, str], status: int) -> None:
    """I-01: each by its status, as a problem, and nothing is stored."""
    url = begin(base, content_of(5, 1000))
    response = patch(url, b"x" * 10, 0, **change)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert offset_of(url) == 0


def test_more_bytes_than_announced_are_refused(base: str) -> None:
    """H-08: 413 before they are stored."""
    url = begin(base, b"x" * 1000)
    assert patch(url, b"x" * 1001, 0).status_code == 413
    assert offset_of(url) == 0


def test_deferred_length_and_unreadable_metadata_are_refused(base: str) -> None:
    """I-01: 400 with a reason."""
    for headers in ({"Upload-Defer-Length": "1"}, {"Upload-Length": "5", "Upload-Metadata": "filename %%%"}):
        assert httpx.post(f"{base}/api/uploads/", headers=HEADERS | headers).status_code == 400


def test_a_terminated_upload_is_gone_with_its_bytes_and_its_name(container: Container, base: str) -> None:
    """I-01: tus termination."""
    url = begin(base, content_of(6, 1000), filename=NAME)
    patch(url, b"x" * 10, 0)
    path = container.settings.uploads_dir / url.rstrip("/").rpartition("/")[2]
    assert container.key_map.known_source(str(path)) is not None
    assert httpx.delete(url, headers=HEADERS).status_code == 204
    assert not path.exists()
    assert container.key_map.known_source(str(path)) is None
    assert httpx.head(url, headers=HEADERS).status_code == 410
    assert patch(url, b"x", 10).status_code == 410


def test_what_is_no_video_is_refused_and_removed(container: Container, base: str) -> None:
    """I-02: by content; the upload says why."""
    content = b"#!/bin/sh\necho " + b"x" * 5000
    url = begin(base, content, filename="film.mp4")
    patch(url, content, 0)
    intake(container)
    shown = httpx.get(url).json()
    assert shown["state"] == "refused"
    assert shown["reason_text"]
    assert list(container.settings.uploads_dir.iterdir()) == []
    assert list(container.catalogue.assets()) == []


def test_content_that_is_not_the_announced_one_is_refused(container: Container, base: str) -> None:
    """I-04: the sender's SHA-256 of the whole file is compared."""
    content = content_of(7, 5000)
    url = begin(base, content, sha256="0" * 64)
    patch(url, content, 0)
    intake(container)
    assert httpx.get(url).json()["reason"] == "upload_differs"


def test_the_same_content_twice_is_one_video_and_lies_there_once(container: Container, base: str) -> None:
    """I-04: known content is skipped; both senders own the video."""
    content = content_of(8, 5000)
    urls = []
    for who in ("anna", "berta"):
        headers = HEADERS | {"Upload-Length": str(len(content)), "X-Test-Caller": who}
        url = base + httpx.post(f"{base}/api/uploads/", headers=headers).headers["location"]
        assert patch(url, content, 0, **{"X-Test-Caller": who}).status_code == 204
        intake(container)
        urls.append(url)
    [asset] = container.catalogue.assets()
    assert all(container.door.owners.is_owner(asset.asset_id, who) for who in ("anna", "berta"))
    with container.sources.open(asset.asset_id) as opened:
        assert opened.size_bytes == len(content)
    # of two that come at once only the later name may go: so it is for two in a row
    assert len(list(container.settings.uploads_dir.iterdir())) == (1 if urls == sorted(urls) else 2)


def test_an_upload_of_somebody_else_is_not_there(base: str) -> None:
    """H-05: 404 for every method."""
    headers = HEADERS | {"X-Test-Caller": "berta"}
    url = begin(base, b"x" * 10)
    others = [
        httpx.get(url, headers=headers),
        httpx.head(url, headers=headers),
        httpx.delete(url, headers=headers),
        patch(url, b"x", 0, **headers),
    ]
    assert [response.status_code for response in others] == [404] * 4


def test_a_form_with_one_file_becomes_a_video(container: Container, base: str) -> None:
    """I-01: for clients that know no upload protocol; nothing is spooled to another place."""
    content = content_of(10)
    response = httpx.post(f"{base}/api/videos/?policy=minimal", files={"file": (NAME, content, "video/mp4")})
    assert (response.status_code, response.json()["state"]) == (202, "complete")
    assert response.json()["length"] == len(content)
    intake(container)
    shown = httpx.get(base + response.headers["location"]).json()
    asset = container.catalogue.asset(shown["video"])
    assert (asset.content_sha256, asset.policy.name) == (hashlib.sha256(content).hexdigest(), "minimal")
    assert container.key_map.sources(asset.asset_id)[0].original_name == NAME


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        ({"files": {"other": ("a", b"x")}}, 400),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]}, 400),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415),
        ({"files": {"file": ("a", b"x")}, "params": {"policy": "nobody-knows"}}, 422),
    ],
)
def test_a_form_that_cannot_be_taken_leaves_nothing(
    container: Container, base: str, request_parts: dict[str, Any], status: int
) -> None:
    """I-01: refused by status, and no bytes stay."""
    response = httpx.post(f"{base}/api/videos/", **request_parts)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert not container.settings.uploads_dir.exists() or list(container.settings.uploads_dir.iterdir()) == []
    assert container.door.uploads.in_states({UploadState.COMPLETE, UploadState.RECEIVING}, limit=9) == []


def test_without_disk_an_upload_does_not_begin(tmp_path: Path) -> None:
    """H-08: 507 before the first byte, and quota is not used."""
    with whole_container(tmp_path, uploads={"reserve_bytes": 2**60}) as container, serving(app_for(container)) as base:
        response = httpx.post(f"{base}/api/uploads/", headers=HEADERS | {"Upload-Length": "5"})
        assert (response.status_code, response.json()["reason"]) == (507, "disk_reserve")
        assert container.door.uploads.in_states(set(UploadState), limit=9) == []


def test_what_was_left_lying_is_removed_by_the_chore(tmp_path: Path) -> None:
    """I-01: expiration; bytes and name go, a living upload stays."""
    rules = {"expire_seconds": 0.05, "reserve_bytes": 0}
    with whole_container(tmp_path, uploads=rules) as container, serving(app_for(container)) as base:
        url = begin(base, b"x" * 10, filename=NAME)
        deadline = time.monotonic() + 10
        while httpx.get(url).json()["state"] != "expired":
            assert time.monotonic() < deadline
            build_upload_intake(container).tick()
        assert list(container.settings.uploads_dir.iterdir()) == []
        assert httpx.head(url, headers=HEADERS).status_code == 410
