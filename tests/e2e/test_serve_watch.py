"""C-02, I-03, O-01: `serve --watch` takes in what is dropped into a folder, also slowly, until somebody stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench, write_policy

pytestmark = [pytest.mark.models, pytest.mark.timeout(120)]
DEADLINE_SECONDS = 40.0
PIECES = 12
SETTINGS = {
    "OPENDRAPE_INGEST__STABLE_SECONDS": "0.6",
    "OPENDRAPE_INGEST__STABLE_WAIT_SECONDS": "1",
    "OPENDRAPE_LOG__STYLE": "json",
}


@dataclass
class Server:
    """A running ``opendrape serve``; what it says is collected as it comes."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def until(self, happened: Callable[[], object]) -> None:
        """Look until it has happened, within the deadline of the whole test."""
        pause = threading.Event()
        while not happened():
            assert self.process.poll() is None, self.said[-3000:]
            assert time.monotonic() - self.begun < DEADLINE_SECONDS, self.said[-3000:]
            pause.wait(0.1)

    def get(self, path: str) -> str:
        address = next(line.split()[2] for line in self.lines if line.startswith("listening on"))
        key = next(word for word in self.said.split() if word.startswith("odk_"))
        request = urllib.request.Request(
            address.removesuffix("/health") + path, headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def states(self) -> list[str]:
        page: dict[str, Any] = json.loads(self.get("/api/videos/"))
        return sorted(video["state"] for video in page["videos"])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._listener.join(10)
        return code


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Three small films, made outside the watched folder."""
    folders = [tmp_path / f"film-{seed}" for seed in range(3)]
    for seed, folder in enumerate(folders):
        make_sample(folder, SampleRequest(seconds=Fraction(2), width=480, height=270, seed=seed, key_interval=30))
    return [next(folder.glob("*.mp4")) for folder in folders]


@pytest.fixture
def bench(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path / "state", tmp_path / "out", models_dir, write_policy(tmp_path / "policies"))
    bench.prepare()
    (tmp_path / "watched").mkdir()
    return bench


@pytest.fixture
def server(bench: Bench, tmp_path: Path) -> Iterator[Server]:
    arguments = ["serve", "--watch", "watched", "--output", "out", "--policy", "quick", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "opendrape.cli", *arguments, "--every-seconds", "0.3"],
        cwd=tmp_path,
        env=bench.environment | SETTINGS,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        server = Server(process)
        try:
            server.until(lambda: "listening on" in server.said)
            yield server
        finally:
            process.kill()


def grow(film: Path, here: Path, seen: Callable[[], object]) -> list[object]:
    """Write the film piece by piece, slower than a scan but never still for long; what was seen after each piece."""
    content, pause, looks = film.read_bytes(), threading.Event(), []
    size = len(content) // PIECES + 1
    with here.open("wb") as file:
        for start in range(0, len(content), size):
            file.write(content[start : start + size])
            file.flush()
            pause.wait(0.25)
            looks.append(seen())
    return looks


def test_what_is_dropped_into_the_folder_is_delivered(
    server: Server, films: list[Path], bench: Bench, tmp_path: Path
) -> None:
    """C-02, I-03, H-07: whole files and growing ones, while the server answers; nobody is named; SIGTERM ends it."""
    watched = tmp_path / "watched"
    looks = grow(films[0], watched / "Jane Doe.mp4", server.states)
    assert looks[:-2] == [[]] * (PIECES - 2), "a growing file was taken in"
    (watched / "notes.txt").write_text("no film")
    films[1].rename(watched / "Jane Doe second.mp4")
    server.until(lambda: server.states() == ["completed"] * 2)
    assert json.loads(server.get("/health"))["status"] == "ok"
    assert 'opendrape_verifications_total{check="delivery",result="passed"} 2.0' in server.get("/metrics")
    server.until(lambda: not [*(bench.state / "work" / "masked").rglob("*.mp4")])
    outputs = sorted(path for path in bench.output.rglob("*") if path.is_file())
    assert len(outputs) == 4
    server.until(lambda: '"unsupported"' in server.said)
    assert server.said.count("files_seen") < 10, "it says the same again and again"

    watched.rename(tmp_path / "unmounted")
    server.until(lambda: '"away"' in server.said)
    (tmp_path / "unmounted").rename(watched)
    server.until(lambda: '"back"' in server.said)

    films[2].rename(watched / "Jane Doe third.mp4")
    server.until(lambda: "processing" in server.states())
    assert server.end(signal.SIGTERM) == 130
    assert set(outputs) <= set(bench.output.rglob("*"))
    assert list(bench.output.rglob(".*")) == [], "something half-written is there"
    assert "Traceback" not in server.said
    assert "Jane" not in server.said
