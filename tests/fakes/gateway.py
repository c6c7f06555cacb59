"""A container for the gateway with a real SQL catalogue, and one request to an app without a network."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from opendrape.access.key_office import KeyOffice
from opendrape.access.key_text import KeyText
from opendrape.adapters.audit_anchors import AnchorFile
from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.policy_files import PolicyShelf
from opendrape.adapters.sql.access import SqlAccessStore
from opendrape.adapters.sql.audit_trail import SqlAuditTrail
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.door import open_door
from opendrape.adapters.sql.quick_look import open_quick_look
from opendrape.adapters.system_clock import SystemClock
from opendrape.audit.office import AuditOffice
from opendrape.domain.access import Role
from opendrape.domain.audit_keys import new_audit_keys
from opendrape.domain.media_info import MediaInfo, OtherStreams
from opendrape.domain.policy import PolicyRef
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Artefact, ArtefactKind, Asset, Chunk, Planned, RetryRule, WorkKind
from opendrape.metrics import Metrics
from opendrape.ports.catalogue import NewAsset
from opendrape.ports.originals import NoOriginals
from opendrape.settings import Settings

ADMIN_KEY = KeyText(key_id="ad0000000000", secret="ad" * 32)
"""The key of the one admin of every test's gateway."""
AS_ADMIN = {"Authorization": f"Bearer {ADMIN_KEY.shown()}"}
NOBODY = {"Authorization": ""}
POLICY = PolicyRef(name="faces", digest="f" * 64)
MEDIA = MediaInfo(
    container="mov",
    codec="h264",
    width=1920,
    height=1080,
    pixel_format="yuv420p",
    bit_depth=8,
    time_base=(1, 90000),
    frame_count=300,
    first_tick=0,
    duration_seconds=12.0,
    variable_frame_rate=False,
    average_rate=(25, 1),
    key_frames=3,
    other_streams=OtherStreams(audio=1),
)


def asset_id(number: int) -> str:
    """A pseudonym of the right form; ids sort like their numbers."""
    return f"ar-{number:026d}"


def picture_id(number: int) -> str:
    """The same of a still picture."""
    return f"zr-{number:026d}"


class Breakable:
    """A dependency whose check ends as told."""

    def __init__(self) -> None:
        self.breakage: Callable[[], None] = lambda: None
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        self.breakage()

    def breaks_with(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        self.breakage = fail


class ManualClock(SystemClock):
    """A monotonic clock that stands still until told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@contextlib.contextmanager
def gateway_container(folder: Path, **more: Any) -> Iterator[Any]:
    """What ``create_app`` needs: a real catalogue, a clock that stands still, dependencies that can be broken."""
    clock = ManualClock()
    catalogue = open_catalogue(f"sqlite:///{folder / 'catalogue.sqlite3'}", clock=clock, retry=RetryRule())
    access = SqlAccessStore(catalogue.database, clock=clock)
    KeyOffice(access, clock).issue(label="tests", roles=[Role.ADMIN], scopes=None, days=1, actor="test", text=ADMIN_KEY)
    trail, anchors = SqlAuditTrail(catalogue.database, clock=clock), AnchorFile(folder / "audit.anchors")
    audit = AuditOffice(trail, new_audit_keys, anchors, clock)
    settings, opened = Settings(state_dir=folder, destination=folder / "out", **more), contextlib.ExitStack()
    try:
        yield SimpleNamespace(
            settings=settings,
            clock=clock,
            catalogue=catalogue,
            access=access,
            audit=audit,
            frames=catalogue.requests_for_frames,
            segments=catalogue.segments,
            key_map=Breakable(),
            work_blobs=Breakable(),
            destination_blobs=Breakable(),
            doorbell=InProcessDoorbell(),
            metrics=Metrics(),
            policies=PolicyShelf(settings.policy_folders, LocalBlobStore(folder / "policies")),
            door=open_door(catalogue, clock),
            quick_look=open_quick_look(catalogue.database, opened),
            originals=NoOriginals(),
        )
    finally:
        opened.close()
        catalogue.close()


def register(
    catalogue: SqlCatalogue,
    number: int,
    *,
    subject: str | None = None,
    policy: PolicyRef = POLICY,
    name: Callable[[int], str] = asset_id,
) -> Asset:
    """One registered asset with its plan item queued."""
    new = NewAsset(
        asset_id=name(number),
        subject_id=subject,
        content_sha256=hashlib.sha256(name(number).encode()).hexdigest(),
        size_bytes=1000 + number,
        policy=policy,
    )
    return catalogue.register(new, actor="test").asset


def plan(catalogue: SqlCatalogue, *spans: tuple[int, int]) -> None:
    """Finish the oldest plan item: a probed video cut into these chunks."""
    lease = catalogue.claim({WorkKind.PLAN}, owner="ingest-0001", lease_seconds=30)
    assert lease is not None
    timeline = Artefact(kind=ArtefactKind.TIMELINE, name="t", sha256="1" * 64, size_bytes=1)
    chunks = tuple(Chunk(index=index, span=FrameSpan(*span)) for index, span in enumerate(spans))
    catalogue.complete(lease, Planned(media=MEDIA, timeline=timeline, chunks=chunks))


def ask(
    app: Any, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    """One request through the whole ASGI stack: by the admin, or by whoever ``Authorization`` says (``NOBODY``)."""
    sent = AS_ADMIN | {name.title(): text for name, text in (headers or {}).items()}

    async def _ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.request(method, path, headers=sent, **more)

    return asyncio.run(_ask())


def three_videos(container: Any) -> None:
    """One that is being masked, one that was cancelled, one that waits."""
    policy = container.policies.get("faces")
    container.policies.remember(policy)
    for number in (1, 2, 3):
        register(container.catalogue, number, policy=policy.reference)
    plan(container.catalogue, (0, 300))
    container.catalogue.cancel(asset_id(2), actor="test")
