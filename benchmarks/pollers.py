"""How much slower is masking while 200 clients ask how far it is and 20 listen: ``python -m benchmarks.pollers``.

``opendrape serve`` masks one clip again and again (a number after its last byte makes each a new content with the same
pictures), in pairs: once alone, once watched, the order changing from pair to pair. Writes
``docs/benchmarks/pollers.md``. Everything runs on this machine, the clients too: their processor time is told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from benchmarks.machine import ROOT
from benchmarks.pollers_clients import Task, Told
from benchmarks.pollers_page import Half, Pair, page
from benchmarks.scaling import spans_of
from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.adapters.sql.upload_tables import asset_owners
from opendrape.adapters.system_clock import SystemClock
from opendrape.bootstrap import opened_access
from opendrape.domain.work import RetryRule
from opendrape.settings import Settings
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.fakes.door import key_of

PAGE: Final = ROOT / "docs" / "benchmarks" / "pollers.md"
POLLERS: Final = 200
STREAMS: Final = 20
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True)
class Server:
    """A running ``opendrape serve``."""

    process: psutil.Process
    port: int
    state: Path
    client: httpx.Client

    def cpu(self) -> tuple[float, float]:
        """Processor seconds so far: of the process itself, and of its children that have ended."""
        times = self.process.cpu_times()
        return times.user + times.system, times.children_user + times.children_system


@contextlib.contextmanager
def serving(folder: Path, models: Path) -> Iterator[tuple[Server, list[str]]]:
    """A server with an empty catalogue, and the keys of everybody who may ask."""
    state = folder / "state"
    state.mkdir()
    (state / "models").symlink_to(models, target_is_directory=True)
    settings = Settings(state_dir=state, destination=folder / "out")
    with opened_access(settings) as container:
        keys = [key_of(container, f"poller-{number}") for number in range(POLLERS)] + [key_of(container, "anna")]
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(state), "OPENDRAPE_LOG__STYLE": "json"}
    command = [sys.executable, "-m", "opendrape.cli", "serve", "--output", str(folder / "out"), "--port", "0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, cwd=ROOT)
        try:
            port = _port(folder / "log", process)
            headers = {"Authorization": f"Bearer {keys[-1]}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                yield Server(psutil.Process(process.pid), port, state, client), keys[:-1]
        finally:
            process.terminate()
            process.wait(60)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("listening on "):
                return int(line.split()[2].removesuffix("/health").rpartition(":")[2])
        time.sleep(0.1)
    raise SystemExit(log.read_text()[-2000:])


def half(server: Server, clip: bytes, clients: Clients | None) -> Half:
    """One masking, watched or alone."""
    before = server.cpu()
    begun = time.monotonic()
    video = _taken_up(server, clip)
    _open_to_all(server, video)
    if clients:
        clients.begin(video)
    _until_delivered(server, video)
    wall = time.monotonic() - begun
    told = clients.end() if clients else None
    after = server.cpu()
    with closing(_catalogue(server)) as catalogue:
        spans = spans_of(list(catalogue.work_items(video)), list(catalogue.audit_events(video)))
    return Half(
        mask_seconds=spans.mask,
        total_seconds=spans.total,
        wall_seconds=wall,
        door_cpu_seconds=after[0] - before[0],
        children_cpu_seconds=after[1] - before[1],
        told=told,
    )


def _taken_up(server: Server, clip: bytes) -> str:
    answer = server.client.post("/api/videos/", files={"file": ("clip.mp4", clip, "video/mp4")})
    address = answer.raise_for_status().headers["Location"]
    end = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < end:
        upload = server.client.get(address).raise_for_status().json()
        if upload["video"]:
            return str(upload["video"])
        time.sleep(0.1)
    raise SystemExit("nobody took the upload up")


def _until_delivered(server: Server, video: str) -> None:
    """The catalogue is asked directly: asking the door would be one more poller."""
    end = time.monotonic() + _LONGEST_SECONDS
    with closing(_catalogue(server)) as catalogue:
        while (state := catalogue.asset(video).state) not in ("delivered",):
            if state in ("failed", "quarantined") or time.monotonic() > end:
                raise SystemExit(f"the video is {state}: {catalogue.asset(video).reason}")
            time.sleep(0.5)


def _open_to_all(server: Server, video: str) -> None:
    with closing(_catalogue(server)) as catalogue, catalogue.database.write() as connection:
        since = SystemClock().now()
        rows = [{"owner": f"poller-{n}", "asset_id": video, "since": since} for n in range(POLLERS)]
        connection.execute(asset_owners.insert(), rows)


def _catalogue(server: Server) -> Any:
    url = f"sqlite:///{server.state / 'catalogue.sqlite3'}"
    return open_catalogue(url, clock=SystemClock(), retry=RetryRule())


@dataclass
class Clients:
    """The process of those who ask."""

    port: int
    keys: tuple[str, ...]
    process: subprocess.Popen[str] | None = None

    def begin(self, video: str) -> None:
        """Let them ask about this video."""
        command = [sys.executable, "-m", "benchmarks.pollers_clients"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(Task(self.port, video, self.keys, STREAMS))) + "\n")
        self.process.stdin.flush()

    def end(self) -> Told:
        """Let them go; what they saw."""
        assert self.process is not None
        said, _ = self.process.communicate(timeout=60)
        return Told(**json.loads(said))


def measure(folder: Path, models: Path, *, pairs: int, seconds: int) -> list[Pair]:
    """So many pairs, after one masking that is not counted."""
    make_sample(folder / "clip", SampleRequest(seconds=Fraction(seconds), width=960, height=540), file_name="clip.mp4")
    clip, found = (folder / "clip" / "clip.mp4").read_bytes(), []
    with serving(folder, models) as (server, keys):
        half(server, clip, None)
        for number in range(pairs):
            halves: dict[bool, Half] = {}
            for is_watched in (False, True) if number % 2 == 0 else (True, False):
                content = clip + _free_box(2 * number + is_watched)
                halves[is_watched] = half(server, content, Clients(server.port, tuple(keys)) if is_watched else None)
            found.append(Pair(alone=halves[False], watched=halves[True]))
            print(found[-1], flush=True)
    return found


def _free_box(number: int) -> bytes:
    """Bytes after the last box that every player passes over."""
    return (12).to_bytes(4, "big") + b"free" + number.to_bytes(4, "big")


def main(arguments: list[str]) -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=12, help="length of the clip")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parser.add_argument("--dry", action="store_true", help="print the page, keep the old one")
    given = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        pairs = measure(Path(name), given.models.absolute(), pairs=given.pairs, seconds=given.seconds)
    text = page(pairs, pollers=POLLERS, streams=STREAMS, seconds=given.seconds, load=(before, os.getloadavg()[0]))
    if not given.dry:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
