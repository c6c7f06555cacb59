"""H-01, V-12: the walk-throughs of docs/frames-api.md, word for word, against a real `opendrape serve`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.frames.numbered import CORNER, number_on, numbered_clip, opened, shown_corner

pytestmark = pytest.mark.timeout(240)
DEADLINE_SECONDS = 120.0
PAGE = Path(__file__).resolve().parents[2] / "docs" / "frames-api.md"


def walkthrough(language: str) -> str:
    """The only block of that language on the page."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


@dataclass
class Serving:
    """A running server with one delivered video."""

    url: str
    key: str
    video: str = ""

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    @property
    def environment(self) -> dict[str, str]:
        given = {"OPENDRAPE_URL": self.url, "OPENDRAPE_KEY": self.key, "VIDEO_ID": self.video, "LEVEL": "corner"}
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | given


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serve")
    for name in ("watched", "policies"):
        (folder / name).mkdir()
    (folder / "policies" / "corner.toml").write_text(CORNER)
    numbered_clip(folder / "watched" / "film.mp4", frames=80)
    arguments = ["--watch", "watched", "--output", "out", "--policy", "corner", "--port", "0", "--every-seconds", "0.5"]
    settings = {
        "OPENDRAPE_STATE_DIR": str(folder / "state"),
        "OPENDRAPE_POLICIES_DIR": str(folder / "policies"),
        "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "opendrape.cli", "serve", *arguments],
        cwd=folder,
        env=os.environ | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    listener = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    listener.start()
    try:
        yield _delivered(process, said)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        listener.join(10)
        assert process.stderr is not None
        process.stderr.close()


def _delivered(process: subprocess.Popen[str], said: list[str]) -> Serving:
    """Waits for the address, the key and the video, each within the deadline."""
    begun, pause = time.monotonic(), threading.Event()
    serving: Serving | None = None
    while serving is None or not serving.video:
        assert process.poll() is None, "".join(said)[-3000:]
        assert time.monotonic() - begun < DEADLINE_SECONDS, "".join(said)[-3000:]
        pause.wait(0.2)
        text = "".join(said)
        address, key = re.search(r"listening on (http://\S+)/health", text), re.search(r"\bodk_\S+", text)
        if serving is None and address and key:
            serving = Serving(address[1], key[0])
        if serving is not None:
            videos = serving.get("/api/videos/")["videos"]
            serving.video = next((video["id"] for video in videos if video["state"] == "completed"), "")
    return serving


@pytest.mark.parametrize(
    ("language", "command", "frames"),
    [
        ("bash", ["bash", "-c"], range(30, 33)),
        ("python", [sys.executable, "-c"], range(40, 44)),
        ("javascript", ["node", "--input-type=module", "-e"], range(50, 52)),
    ],
)
def test_the_walkthrough_gets_exactly_its_frames_masked(
    serving: Serving, tmp_path: Path, language: str, command: list[str], frames: range
) -> None:
    """H-01: submit, poll, download; the Python one is the predecessor's client."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(
        [*command, walkthrough(language)],
        cwd=tmp_path,
        env=serving.environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (written,) = tmp_path.glob("frames-*.zip")
    manifest, pictures = opened(written.read_bytes())
    assert manifest["video"] == serving.video
    assert sorted(number_on(pixels) for pixels in pictures.values()) == list(frames)
    assert all(shown_corner(pixels).mean() < 12 for pixels in pictures.values())
