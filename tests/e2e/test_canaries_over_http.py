"""P-05, H-02, H-09: names that come with an upload turn up in no answer, event, webhook, log, audit or database."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.frames.numbered import CORNER, numbered_clip
from tests.synthetic.canaries import grep_bytes, grep_canaries

CANARIES = ("Zyxwvutsen", "Kvalheim", "19570418", "8812345670")
NAME = "Zyxwvutsen, Kvalheim 19570418 op 8812345670.mp4"
DEADLINE_SECONDS = 120.0


class _Receiver(BaseHTTPRequestHandler):
    heard: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(str(self.headers).encode() + body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        return


@contextmanager
def receiver() -> Iterator[tuple[int, list[bytes]]]:
    """A webhook's receiver on loopback and everything that it was sent."""
    heard: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (_Receiver,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class Door:
    """A running `serve`: what it said on standard error, and every answer that it gave."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    client: httpx.Client | None = None

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        assert self.client is not None
        answer = self.client.request(method, path, **more)
        self.answers.append(str(answer.headers).encode() + answer.content)
        return answer

    def open(self) -> None:
        """Wait for address and key."""
        while True:
            assert self.process.poll() is None, "".join(self.said)[-3000:]
            text = "".join(self.said)
            address, key = re.search(r"listening on (http://\S+)/health", text), re.search(r"\bodk_\S+", text)
            if address and key:
                headers = {"Authorization": f"Bearer {key[0]}"}
                self.client = httpx.Client(base_url=address[1], headers=headers, timeout=30)
                return
            time.sleep(0.1)


@contextmanager
def serving(folder: Path) -> Iterator[Door]:
    (folder / "policies").mkdir()
    (folder / "policies" / "corner.toml").write_text(CORNER)
    settings = {
        "OPENDRAPE_STATE_DIR": str(folder / "state"),
        "OPENDRAPE_POLICIES_DIR": str(folder / "policies"),
        "OPENDRAPE_WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "OPENDRAPE_WEBHOOKS__ALLOW_HTTP": "true",
        "OPENDRAPE_UPLOADS__RESERVE_BYTES": "0",
        "OPENDRAPE_LOG__STYLE": "json",
        "OPENDRAPE_LOG__LEVEL": "debug",
    }
    arguments = ["serve", "--output", str(folder / "out"), "--policy", "corner", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "opendrape.cli", *arguments],
        env=os.environ | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    door = Door(process)
    listener = threading.Thread(target=lambda: door.said.extend(process.stderr or ()))
    listener.start()
    try:
        door.open()
        yield door
    finally:
        if door.client is not None:
            door.client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        listener.join(10)
        assert process.stderr is not None
        process.stderr.close()


@pytest.mark.timeout(240)
def test_the_uploads_name_is_nowhere_but_in_the_sealed_map(tmp_path: Path) -> None:
    """Every output channel of the door at once; originals keep what the camera saw, under another name."""
    content = numbered_clip(tmp_path / "clip.mp4", frames=40).read_bytes()
    with receiver() as (port, heard), serving(tmp_path) as door:
        made = door.ask("POST", "/api/webhooks/", json={"url": f"http://127.0.0.1:{port}/"})
        assert made.status_code == 201, made.text
        sent = door.ask("POST", "/api/videos/?policy=corner", files={"file": (NAME, content)})
        assert sent.status_code in (201, 202), sent.text
        video = _delivered(door)
        _wrong_requests(door)
        _frames(door, video)
        _everything(door, video)
        _events(door, video)
        _until(lambda: any(b"delivered" in one or b"completed" in one for one in heard), "no webhook came")
        said = "".join(door.said).encode()
    channels = {"answers": b"\n".join(door.answers), "log": said, "webhooks": b"\n".join(heard)}
    assert all(channels.values())
    for channel, text in channels.items():
        assert grep_bytes(text, CANARIES, where=channel) == []
    state = tmp_path / "state"
    assert grep_canaries([tmp_path / "out", *_but_originals(state)], CANARIES) == []


def _delivered(door: Door) -> str:
    def first() -> str:
        videos = door.ask("GET", "/api/videos/").json()["videos"]
        return next((str(video["id"]) for video in videos if video["state"] == "completed"), "")

    return str(_until(first, "the video was not delivered"))


def _wrong_requests(door: Door) -> None:
    """Problem bodies echo nothing."""
    for method, path in (("GET", f"/api/videos/{NAME}/"), ("POST", f"/api/frames/anonymize/?name={NAME}")):
        assert door.ask(method, path, json={"video_id": NAME, "segment_ids": [CANARIES[3]]}).status_code >= 400
    assert door.ask("PUT", f"/api/{CANARIES[0]}/").status_code >= 400


def _frames(door: Door, video: str) -> None:
    mark = {"label": "x", "start_frame": 3, "end_frame": 5}
    segment = door.ask("POST", f"/api/videos/{video}/segments/", json=mark).json()
    wish = {"video_id": video, "segment_ids": [segment["id"]], "anonymization_level": "corner", "output_format": "png"}
    request = door.ask("POST", "/api/frames/anonymize/", json=wish)
    assert request.status_code == 202, request.text
    number = request.json()["request_id"]

    def is_done() -> bool:
        return bool(door.ask("GET", f"/api/frames/anonymize/status/{number}/").json()["status"] == "completed")

    _until(is_done, "the frames were not packed")
    archive = door.ask("GET", f"/api/frames/anonymize/download/{number}/")
    assert archive.status_code == 200
    with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
        door.answers.extend(packed.read(name) + name.encode() for name in packed.namelist())


def _everything(door: Door, video: str) -> None:
    for path in ("", "progress/", "timeline/", "report/", "receipt/", "output/", "regions/", "segments/"):
        assert door.ask("GET", f"/api/videos/{video}/{path}").status_code == 200, path
    for path in (
        "uploads/",
        "webhooks/",
        "audit/",
        "audit/fhir/",
        "keys/",
        "frames/anonymize/requests/",
        "openapi.json",
    ):
        assert door.ask("GET", f"/api/{path}").status_code == 200, path
    for path in ("/health", "/metrics"):
        assert door.ask("GET", path).status_code == 200


def _events(door: Door, video: str) -> None:
    assert door.client is not None
    with door.client.stream("GET", f"/api/videos/{video}/events/", headers={"Last-Event-ID": "0"}) as stream:
        for line in stream.iter_lines():
            door.answers.append(line.encode())
            if line.startswith("data:") and json.loads(line[5:]):
                return


def _but_originals(state: Path) -> list[Path]:
    """Everything in the state folder but the originals themselves, which hold whatever the camera saw."""
    return [path for path in state.iterdir() if path.name not in ("uploads", "models")]


def _until(found: Any, complaint: str) -> Any:
    end = time.monotonic() + DEADLINE_SECONDS
    while not (answer := found()):
        assert time.monotonic() < end, complaint
        time.sleep(0.2)
    return answer
