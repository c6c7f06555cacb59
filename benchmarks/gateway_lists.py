"""How long do lists and status calls take when the catalogue is large: ``python -m benchmarks.gateway_lists``.

Fills an empty SQLite file and an empty PostgreSQL of its own with 100,000 videos and 1,000,000 work items, asks the
gateway in this process, without a network, and writes ``docs/benchmarks/gateway.md``: medians, and how each database
looks up what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks import gateway_filling as filling
from benchmarks.gateway_page import page
from benchmarks.gateway_plans import Heard, Plan, explain
from benchmarks.machine import ROOT
from opendrape.logging import configure
from opendrape.setting_groups.work import LogSettings
from opendrape_gateway.composition import create_app
from tests.fakes.door import key_of, whole_container
from tests.servers.postgresql import cluster

REPEATS: Final = 40
PAGE: Final = ROOT / "docs" / "benchmarks" / "gateway.md"


@dataclass(frozen=True)
class Call:
    """One address asked by one caller; ``operation`` is its id in the API's description."""

    who: str
    operation: str
    path: str
    told: str = ""
    method: str = "GET"


def calls(videos: int = filling.VIDEOS) -> tuple[Call, ...]:
    """Every list and status call, of a catalogue with so many videos."""
    middle = videos // 2
    video, last_frames = filling.video_id(middle), filling.request_id(videos - 1)
    webhook = f"/api/webhooks/{filling.webhook_id(0)}/"
    frames = "/api/frames/anonymize"
    return (
        Call("chief", "listVideos", "/api/videos/"),
        Call("chief", "listVideos", f"/api/videos/?after={video}&limit=100", "from the middle"),
        Call("chief", "listVideos", "/api/videos/?state=processing&limit=100"),
        Call("chief", "listVideos", f"/api/videos/?state=failed&after={video}"),
        Call("chief", "listVideos", "/api/videos/?state=quarantined", "none there"),
        Call("chief", "listVideos", f"/api/videos/?subject=sr-{7:026d}"),
        Call("anna", "listVideos", f"/api/videos/?after={video}&limit=100", "from the middle"),
        Call("anna", "listVideos", "/api/videos/?state=processing&limit=100"),
        Call("anna", "listVideos", "/api/videos/?state=quarantined", "none there"),
        Call("anna", "listVideos", "/api/videos/?state=cancelled", "none there"),
        Call("chief", "listImages", "/api/images/", "none there"),
        Call("anna", "listImages", "/api/images/?limit=100", "none there"),
        Call("chief", "listImages", "/api/images/?state=completed", "none there"),
        Call("chief", "getVideo", f"/api/videos/{filling.video_id(middle + 6)}/"),
        Call("anna", "getProgress", f"/api/videos/{filling.video_id(middle + 7)}/progress/"),
        Call("chief", "getTimeline", f"/api/videos/{video}/timeline/"),
        Call("anna", "getMarkedRegions", f"/api/videos/{filling.WALKED}/regions/"),
        Call("anna", "getReport", f"/api/videos/{filling.WALKED}/report/"),
        Call("chief", "listSegments", f"/api/videos/{video}/segments/"),
        Call("anna", "getSegment", f"/api/videos/{filling.WALKED}/segments/1/"),
        Call("anna", "getFramesStatus", f"{frames}/status/{filling.WALKED_FRAMES}/", "one that waits"),
        Call("anna", "getFramesStatus", f"{frames}/status/{last_frames}/", "one that has ended"),
        Call("anna", "listFrames", f"{frames}/requests/?limit=100"),
        Call("anna", "listFrames", f"{frames}/requests/?limit=100&offset=20000", "from the middle"),
        Call("anna", "listFrames", f"{frames}/requests/?status=pending&limit=100"),
        Call("chief", "listFrames", f"{frames}/requests/?status=processing", "none there"),
        Call("chief", "listFrames", f"{frames}/requests/?status=failed&limit=100"),
        Call("chief", "listFrames", f"{frames}/requests/?video_id={video}"),
        Call("chief", "getFramesHealth", f"{frames}/health/"),
        Call("anna", "listUploads", "/api/uploads/"),
        Call("anna", "getUpload", f"/api/uploads/up-{1:032d}/"),
        Call("anna", "getUploadOffset", f"/api/uploads/up-{1:032d}/", method="HEAD"),
        Call("anna", "listWebhooks", "/api/webhooks/"),
        Call("anna", "getWebhook", webhook),
        Call("anna", "listDeliveries", f"{webhook}deliveries/?before={middle}&limit=100"),
        Call("chief", "listKeys", f"/api/keys/?after={500:012d}&limit=100", "from the middle"),
        Call("chief", "listAuditEvents", f"/api/audit/?after={10 * middle}&limit=100", "from the middle"),
        Call("chief", "getLiveness", "/health/live"),
        Call("chief", "getReadiness", "/health/ready"),
        Call("chief", "getHealth", "/health"),
    )


NOT_MEASURED: Final = {
    "getImage": "asks what `getVideo` asks",
    "getImageRegions": "asks what `getMarkedRegions` asks",
    "getImageReport": "asks what `getReport` asks",
    "getImageOutput": "hands out a file",
    "getImageReceipt": "hands out a file",
    "getOutput": "hands out a file",
    "getReceipt": "hands out a file",
    "downloadFrames": "hands out a file",
    "streamEvents": "a stream: see `benchmarks/pollers.py`",
    "exportAuditEvents": "streams the whole audit",
    "getMetrics": "figures for Prometheus: counts all assets and items at each scrape",
    "verifyAudit": "goes through the whole audit by design",
}
"""Reading operations that are neither a list nor a status call, and why."""


@dataclass
class Measured:
    """Times of one call in milliseconds, and how the database looked things up for it."""

    call: Call
    times: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    """Processor time of the gateway's process; PostgreSQL's own is not in it."""
    plans: tuple[Plan, ...] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def work(self) -> float:
        """The median of the processor time."""
        return statistics.median(self.worked)

    @property
    def late(self) -> float:
        """95th percentile."""
        return statistics.quantiles(self.times, n=20)[18]


@dataclass(frozen=True)
class Run:
    """One database, filled and asked."""

    database: str
    fill_seconds: float
    calls: tuple[Measured, ...]
    load: tuple[float, float]


async def ask(app: Any, asked: Sequence[Call], keys: Mapping[str, str], heard: Heard, repeats: int) -> list[Measured]:
    """Every call, one after the other; the first answer of each is not counted: it says what is looked up."""
    found = []
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        for call in asked:
            one, headers = Measured(call), {"Authorization": f"Bearer {keys[call.who]}", "Tus-Resumable": "1.0.0"}
            with heard.listening() as statements:
                await _once(client, call, headers)
            for _ in range(repeats):
                begun, worked = time.perf_counter(), time.process_time()
                await _once(client, call, headers)
                one.times.append((time.perf_counter() - begun) * 1000)
                one.worked.append((time.process_time() - worked) * 1000)
            one.plans = explain(heard.engine, statements)
            found.append(one)
    return found


async def _once(client: httpx.AsyncClient, call: Call, headers: dict[str, str]) -> None:
    answer = await client.request(call.method, call.path, headers=headers)
    if answer.status_code not in (200, 204):
        raise SystemExit(f"{call.operation}: {answer.status_code} {answer.text}")


def run(folder: Path, database: str, *, url: str = "", videos: int = filling.VIDEOS, repeats: int = REPEATS) -> Run:
    """Fill and ask. ``url`` empty: a SQLite file in the folder."""
    roomy = {"burst_requests": 10**6, "requests_per_second": 10**6}
    with whole_container(folder, catalogue={"url": url, "statement_seconds": 1800.0}, door=roomy) as container:
        begun = time.perf_counter()
        keys = {who: key_of(container, who) for who in ("anna", "chief")}
        filling.walk(container)
        filling.fill(container, filling.Amounts(videos))
        took = time.perf_counter() - begun
        before = os.getloadavg()[0]
        with Heard.on(container.catalogue.database.engine) as heard:
            measured = asyncio.run(ask(create_app(container), calls(videos), keys, heard, repeats))
        return Run(database, took, tuple(measured), (before, os.getloadavg()[0]))


@contextlib.contextmanager
def databases(only: str | None) -> Iterator[list[tuple[str, str]]]:
    """Names and addresses of what is measured."""
    with contextlib.ExitStack() as stack:
        found = [("SQLite", "")] if only in (None, "sqlite") else []
        if only in (None, "postgresql"):
            server = stack.enter_context(cluster())
            found.append((f"PostgreSQL {str(server.execute('SHOW server_version')[0][0]).split()[0]}", server.empty()))
        yield found


def main(arguments: list[str]) -> None:
    """Measure both and write the page; with ``--only`` one, printed and not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        chosen, name = stack.enter_context(databases(given.only)), stack.enter_context(tempfile.TemporaryDirectory())
        runs = []
        for number, (database, url) in enumerate(chosen):
            (folder := Path(name) / str(number)).mkdir()
            configure(LogSettings(style="json"), stream=stack.enter_context((folder / "log").open("w")))
            runs.append(run(folder, database, url=url, repeats=given.repeats))
    text = page(runs, NOT_MEASURED)
    if given.only is None:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
