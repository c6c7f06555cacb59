"""How long do lists and status calls take when the catalogue is large: ``python -m benchmarks.gateway_lists [URL]``.

Fills an empty database (a new SQLite file without URL) with 100,000 videos and 1,000,000 work items and asks the
gateway in this process, without a network; prints medians and how the database looks things up.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from sqlalchemy import text

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.policy_files import PolicyShelf
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.door import open_door
from opendrape.adapters.system_clock import SystemClock
from opendrape.domain.work import RetryRule
from opendrape.metrics import Metrics
from opendrape.settings import Settings
from tests.fakes.door import app_for

VIDEOS, ITEMS_EACH, REPEATS = 100_000, 10, 40
DIGEST = "f" * 64
MIDDLE = f"ar-{VIDEOS // 2:026d}"


def asset_id(number: int) -> str:
    """Ids sort like their numbers."""
    return f"ar-{number:026d}"


def fill(catalogue: SqlCatalogue) -> None:
    """Put everything in, in the database's own language; every second video is anna's."""
    words = _words(catalogue.database.engine.dialect.name)
    with catalogue.database.write() as connection:
        for statement in FILLING:
            connection.execute(text(statement.format(**words)), {"videos": VIDEOS, "items": VIDEOS * ITEMS_EACH})
    with catalogue.database.write() as connection:
        connection.execute(text("ANALYZE"))


def _words(dialect: str) -> dict[str, str]:
    """What the two databases write in different ways."""
    is_sqlite = dialect == "sqlite"
    padded = "printf('%0{width}d', {number})" if is_sqlite else "lpad(({number})::text, {width}, '0')"
    moment = "2026-11-01 00:00:00.000000"
    return {
        "video": "'ar-' || " + padded.format(width=26, number="i"),
        "video_of_item": "'ar-' || " + padded.format(width=26, number=f"i / {ITEMS_EACH}"),
        "patient": "'sr-' || " + padded.format(width=26, number="i % 5000"),
        "upload": "'up-' || " + padded.format(width=32, number="i"),
        "sha": padded.format(width=64, number="i"),
        "now": f"'{moment}'" if is_sqlite else f"TIMESTAMPTZ '{moment}+00'",
        "no_facts": "'{}'" if is_sqlite else "'{}'::jsonb",
        "yes": "1" if is_sqlite else "true",
        "no": "0" if is_sqlite else "false",
        "digest": f"'{DIGEST}'",
        "webhook": "'wh-" + "0" * 32 + "'",
        "each": str(ITEMS_EACH),
        "numbers": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :videos)",
        "many": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :items)",
        "done": f"(i / {ITEMS_EACH} % 10 < 6 OR i % {ITEMS_EACH} < {ITEMS_EACH // 2})",
    }


FILLING = (
    "INSERT INTO assets (asset_id, subject_id, content_sha256, size_bytes, state, policy_name, policy_digest,"
    " created_at, updated_at) {numbers} SELECT {video}, {patient}, {sha}, 1000000000, CASE i % 10 WHEN 6 THEN 'masking'"
    " WHEN 7 THEN 'registered' WHEN 8 THEN 'failed' WHEN 9 THEN 'masked' ELSE 'delivered' END, 'faces', {digest},"
    " {now}, {now} FROM n",
    "INSERT INTO chunks (asset_id, policy_digest, chunk, start_frame, end_frame) {many}"
    " SELECT {video_of_item}, {digest}, i % {each}, i % {each} * 100, i % {each} * 100 + 100 FROM n",
    "INSERT INTO work_items (asset_id, kind, chunk, policy_name, policy_digest, state, attempts, lease_epoch, due_at,"
    " rung_at, progress) {many} SELECT {video_of_item}, 'mask', i % {each}, 'faces', {digest},"
    " CASE WHEN {done} THEN 'done' ELSE 'queued' END, 0, 0, {now}, {now}, 0.0 FROM n",
    "INSERT INTO artefacts (asset_id, policy_digest, kind, chunk, name, sha256, size_bytes, created_at) {many}"
    " SELECT {video_of_item}, {digest}, 'chunk', i % {each}, 'n', {digest}, 1, {now} FROM n WHERE {done}",
    "INSERT INTO audit_events (at, actor, action, object_id, facts) {numbers}"
    " SELECT {now}, 'ingest', 'asset.registered', {video}, {no_facts} FROM n",
    "INSERT INTO audit_events (at, actor, action, object_id, facts) {many}"
    " SELECT {now}, 'ingest', 'work.queued', {video_of_item}, {no_facts} FROM n",
    "INSERT INTO asset_owners (owner, asset_id, since) {numbers} SELECT 'anna', {video}, {now} FROM n WHERE i % 2 = 1",
    "INSERT INTO uploads (upload_id, owner, state, length, received, epoch, policy_name, created_at, updated_at,"
    " expires_at) {numbers} SELECT {upload}, 'anna', 'registered', 10, 10, 1, 'faces', {now}, {now}, {now} FROM n",
    "INSERT INTO webhook_endpoints (endpoint_id, owner, sees_all, url, secret_version, active, created_at)"
    " SELECT {webhook}, 'anna', {no}, 'https://example.org/', 1, {yes}, {now}",
    "INSERT INTO webhook_deliveries (endpoint_id, event_id, asset_id, action, happened_at, state, attempts, due_at,"
    " last_at) {numbers} SELECT {webhook}, i + 1, {video}, 'asset.masking', {now}, 'delivered', 1, {now}, {now} FROM n",
)


CALLS = (
    ("chief", "/api/videos/"),
    ("chief", f"/api/videos/?after={MIDDLE}&limit=100"),
    ("chief", "/api/videos/?state=processing&limit=100"),
    ("chief", f"/api/videos/?state=failed&after={MIDDLE}"),
    ("chief", "/api/videos/?state=quarantined"),
    ("chief", f"/api/videos/?subject=sr-{7:026d}"),
    ("anna", f"/api/videos/?after={MIDDLE}&limit=100"),
    ("anna", "/api/videos/?state=processing&limit=100"),
    ("anna", "/api/videos/?state=quarantined"),
    ("chief", f"/api/videos/{asset_id(VIDEOS // 2 + 6)}/"),
    ("anna", f"/api/videos/{asset_id(VIDEOS // 2 + 7)}/progress/"),
    ("chief", f"/api/videos/{MIDDLE}/timeline/"),
    ("anna", "/api/uploads/"),
    ("anna", f"/api/uploads/up-{1:032d}/"),
    ("anna", "/api/webhooks/"),
    ("anna", f"/api/webhooks/wh-{'0' * 32}/deliveries/?before=50000&limit=100"),
)


async def measure(app: Any) -> list[tuple[str, str, float, float]]:
    """Caller, address, median and 95th percentile in milliseconds."""
    found = []
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        for who, path in CALLS:
            times = []
            for _ in range(REPEATS):
                begun = time.perf_counter()
                answer = await client.get(path, headers={"X-Test-Caller": who})
                times.append((time.perf_counter() - begun) * 1000)
                assert answer.status_code == 200, (path, answer.text)
            found.append((who, path, statistics.median(times), statistics.quantiles(times, n=20)[18]))
    return found


@contextlib.contextmanager
def opened(url: str | None) -> Iterator[tuple[SqlCatalogue, Any]]:
    """A gateway over the database at ``url``, or over a new SQLite file."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), SystemClock()
        catalogue = open_catalogue(url or f"sqlite:///{folder}/catalogue.sqlite3", clock=clock, retry=RetryRule())
        roomy = {"burst_requests": 10**6, "requests_per_second": 10**6}
        settings = Settings.model_validate({"state_dir": folder, "destination": folder / "out", "door": roomy})
        blobs = LocalBlobStore(folder / "work")
        container = SimpleNamespace(
            settings=settings,
            clock=clock,
            catalogue=catalogue,
            metrics=Metrics(),
            key_map=None,
            work_blobs=blobs,
            destination_blobs=blobs,
            policies=PolicyShelf(settings.policy_folders, blobs),
            door=open_door(catalogue, clock),
        )
        with contextlib.closing(catalogue):
            yield catalogue, app_for(container)


QUESTIONS = {
    "page of all": "SELECT * FROM assets WHERE asset_id > 'ar-5' ORDER BY asset_id LIMIT 51",
    "page in a state": "SELECT * FROM assets WHERE state = 'masking' AND asset_id > 'ar-5' ORDER BY asset_id LIMIT 51",
    "page of a patient": "SELECT * FROM assets WHERE subject_id = 'sr-1' AND asset_id > 'ar-5'"
    " ORDER BY asset_id LIMIT 51",
    "page of an owner": "SELECT assets.* FROM assets JOIN asset_owners ON asset_owners.asset_id = assets.asset_id"
    " WHERE asset_owners.owner = 'anna' AND asset_owners.asset_id > 'ar-5' ORDER BY asset_owners.asset_id LIMIT 51",
    "items of a page": "SELECT work_items.* FROM work_items JOIN assets ON assets.asset_id = work_items.asset_id"
    " AND assets.policy_digest = work_items.policy_digest WHERE work_items.asset_id IN ('ar-1', 'ar-2')"
    " ORDER BY work_items.item_id",
    "events of a video": "SELECT * FROM audit_events WHERE object_id = 'ar-1' AND event_id > 5"
    " ORDER BY event_id LIMIT 50",
    "uploads of an owner": "SELECT * FROM uploads WHERE owner = 'anna' ORDER BY created_at DESC LIMIT 100",
    "deliveries": "SELECT * FROM webhook_deliveries WHERE endpoint_id = 'wh-1' AND event_id < 9 ORDER BY event_id DESC"
    " LIMIT 51",
}


def explain(catalogue: SqlCatalogue) -> Iterator[tuple[str, str]]:
    """How the database answers the questions behind the calls."""
    is_sqlite = catalogue.database.engine.dialect.name == "sqlite"
    with catalogue.database.read() as connection:
        for name, question in QUESTIONS.items():
            rows = connection.execute(text(("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + question)).all()
            yield name, "; ".join(str(row[-1]).strip() for row in rows)


def main(url: str | None = None) -> None:
    """Fill, measure, print."""
    with opened(url) as (catalogue, app):
        begun = time.perf_counter()
        fill(catalogue)
        print(f"{VIDEOS} videos, {VIDEOS * ITEMS_EACH} work items, filled in {time.perf_counter() - begun:.0f} s\n")
        print("| caller | call | median ms | p95 ms |\n| --- | --- | --- | --- |")
        for who, path, median, late in asyncio.run(measure(app)):
            print(f"| {who} | `{path}` | {median:.1f} | {late:.1f} |")
        print("\n| question | plan |\n| --- | --- |")
        for name, plan in explain(catalogue):
            print(f"| {name} | {plan} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
