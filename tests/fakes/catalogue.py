"""The catalogue in memory (the real one on SQLite without a file), and ready-made assets and outcomes for it."""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.adapters.sql.database import Database, open_database
from opendrape.adapters.sql.migrate import migrate
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import PolicyRef
from opendrape.domain.regions import CheckResult, FrameAccount, MaskReport
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import (
    Artefact,
    ArtefactKind,
    Assembled,
    Chunk,
    ChunkMasked,
    Delivered,
    Lease,
    Outcome,
    Planned,
    RetryRule,
    WorkKind,
)
from opendrape.ports.catalogue import NewAsset
from opendrape.ports.clock import Clock

RETRY = RetryRule(max_attempts=3, first_delay_seconds=2.0, longest_delay_seconds=60.0)
FACES = PolicyRef(name="faces", digest="fa" * 32)
MINIMAL = PolicyRef(name="minimal", digest="31" * 32)
FRAMES_PER_CHUNK = 50


def memory_database() -> Database:
    """A migrated database in memory; gone when closed."""
    database = open_database("sqlite://")
    migrate(database)
    return database


def memory_catalogue(clock: Clock, retry: RetryRule = RETRY) -> SqlCatalogue:
    """A catalogue that forgets everything when closed."""
    return SqlCatalogue(memory_database(), clock=clock, retry=retry)


def new_asset(number: int = 1, policy: PolicyRef = FACES) -> NewAsset:
    """The ``number``-th content under a policy."""
    return NewAsset(f"ar-{number:026d}", None, sha256(str(number).encode()).hexdigest(), 1000 + number, policy)


def planned(chunks: int = 2, timeline: str = "timeline") -> Planned:
    """A video of so many chunks."""
    pieces = tuple(
        Chunk(index, FrameSpan(index * FRAMES_PER_CHUNK, (index + 1) * FRAMES_PER_CHUNK)) for index in range(chunks)
    )
    return Planned(media=media(chunks), timeline=artefact(ArtefactKind.TIMELINE, timeline), chunks=pieces)


def media(chunks: int) -> MediaInfo:
    """Its facts."""
    return MediaInfo(
        container="mov",
        codec="h264",
        width=64,
        height=48,
        pixel_format="yuv420p",
        bit_depth=8,
        time_base=(1, 25),
        frame_count=chunks * FRAMES_PER_CHUNK,
        first_tick=0,
        duration_seconds=float(Fraction(chunks * FRAMES_PER_CHUNK, 25)),
        variable_frame_rate=False,
        average_rate=(25, 1),
        key_frames=chunks,
    )


def report(frames: int = FRAMES_PER_CHUNK) -> MaskReport:
    """What masking so many frames did."""
    return MaskReport(
        frames=frames,
        masked_frames=frames,
        detections={"face": 3},
        tracks={"face": 1},
        accounts={"face": FrameAccount(examined=frames)},
        models=(),
        checks=CheckResult(frames_checked=frames),
    )


def artefact(kind: ArtefactKind, content: str, chunk: int = -1) -> Artefact:
    """An artefact whose digest and name follow from its content."""
    digest = sha256(content.encode()).hexdigest()
    return Artefact(kind=kind, name=f"{kind}/{digest[:16]}", sha256=digest, size_bytes=len(content), chunk=chunk)


def outcome(lease: Lease, *, chunks: int = 2, content: str = "") -> Outcome:
    """What a good worker brings for this lease; ``content`` makes its bytes differ from another worker's."""
    mark = f"{lease.asset_id} {lease.policy.digest} {lease.chunk} {content}"
    match lease.kind:
        case WorkKind.PLAN:
            return planned(chunks)
        case WorkKind.MASK:
            return ChunkMasked(artefact=artefact(ArtefactKind.CHUNK, mark, lease.chunk), report=report())
        case WorkKind.ASSEMBLE:
            whole = report(chunks * FRAMES_PER_CHUNK)
            return Assembled(
                artefact=artefact(ArtefactKind.MASKED, mark), md5="0" * 32, report=whole, scrub={"tags": 4}
            )
        case WorkKind.DELIVER:
            return Delivered(
                published=artefact(ArtefactKind.PUBLISHED, mark), receipt=artefact(ArtefactKind.RECEIPT, mark)
            )
