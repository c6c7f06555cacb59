"""What a unit of work is, what its outcome can be, and which bytes it left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import PolicyRef
from opendrape.domain.regions import MaskReport
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import Disposition


class WorkKind(StrEnum):
    """Which service does it, and what."""

    PLAN = "plan"  # ingest: probe, cut into chunks
    MASK = "mask"  # masker: one chunk
    ASSEMBLE = "assemble"  # masker: the whole file
    DELIVER = "deliver"  # uploader
    FRAMES = "frames"  # masker: single pictures for a request; ``chunk`` is the request's number


class ArtefactKind(StrEnum):
    """What stored bytes are."""

    TIMELINE = "timeline"
    CHUNK = "chunk"
    MASKED = "masked"
    RECEIPT = "receipt"
    PUBLISHED = "published"


INTERMEDIATE: Final = (ArtefactKind.CHUNK, ArtefactKind.MASKED)
"""Results that only delivery needs; they can be made again from the source."""

RESULTS_IN_DOUBT: Final = frozenset({"chunk_damaged", "chunk_missing", "masked_damaged", "masked_missing"})
"""Reasons that say a stored result is not what it was: keeping it would fail every retry."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Bytes in a blob store that the catalogue knows. ``chunk`` is -1 for anything that concerns the whole asset."""

    kind: ArtefactKind
    name: str
    sha256: str
    size_bytes: int
    chunk: int = -1


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of one video: frames ``[start, end)``."""

    index: int
    span: FrameSpan


@dataclass(frozen=True, slots=True)
class Asset:
    """One content on its way through. ``asset_id`` is its pseudonym; nothing here names a person."""

    asset_id: str
    subject_id: str | None
    content_sha256: str
    size_bytes: int
    state: AssetState
    reason: str | None
    policy: PolicyRef
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One row of the ledger."""

    item_id: int
    asset_id: str
    kind: WorkKind
    chunk: int
    policy: PolicyRef
    state: WorkState
    attempts: int
    lease_epoch: int
    owner: str | None
    lease_until: datetime | None
    due_at: datetime
    progress: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one item: every write carries ``epoch``; an old epoch changes zero rows."""

    item_id: int
    asset_id: str
    kind: WorkKind
    chunk: int
    policy: PolicyRef
    epoch: int
    attempts: int
    owner: str


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class Planned(_Outcome):
    """The video was probed and cut."""

    media: MediaInfo
    timeline: Artefact
    chunks: tuple[Chunk, ...]


class ChunkMasked(_Outcome):
    """One chunk was masked, written and checked."""

    artefact: Artefact
    report: MaskReport


class Assembled(_Outcome):
    """The chunks are one file, checked as a whole. ``scrub`` counts what was removed, by kind."""

    artefact: Artefact
    md5: str
    report: MaskReport
    scrub: dict[str, int]


class Delivered(_Outcome):
    """The output and its receipt are at the destination, verified by reading back."""

    published: Artefact
    receipt: Artefact


class FramesPacked(_Outcome):
    """The pictures of a request are in one ZIP in the work blobs, read back."""

    name: str
    sha256: str
    size_bytes: int
    pictures: int


Outcome = Planned | ChunkMasked | Assembled | Delivered | FramesPacked


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended: ``reason`` is a slug from a bounded set, ``detail`` carries no names, paths or text."""

    reason: str
    disposition: Disposition
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how soon an item is tried again. Back-off doubles from ``first_delay_seconds`` up to the cap.

    While something that it needs is down, an item is tried every ``outage_delay_seconds`` and no attempt is counted:
    for ``outage_hours`` after its asset's last change of state (frames: after they were asked for); 0: each counts.
    """

    max_attempts: int = 4
    first_delay_seconds: float = 2.0
    longest_delay_seconds: float = 300.0
    outage_delay_seconds: float = 15.0
    outage_hours: float = 24.0

    def delay_seconds(self, attempts: int) -> float:
        """Seconds to wait after the ``attempts``-th attempt failed (before jitter)."""
        return min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** max(0, attempts - 1))
