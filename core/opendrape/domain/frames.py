"""What a request for single frames is: chosen segments of a video as masked pictures in a ZIP (V-12, H-01, H-04)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import WorkState
from opendrape.domain.timeline import FrameSpan


class FrameState(StrEnum):
    """Where a request for frames is, in the API's words."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


_F = FrameState
OPEN: Final = frozenset({_F.PENDING, _F.PROCESSING})
"""States in which a request still counts against its owner's limit, and in which the same work is not started twice."""

STATE_OF_WORK: Final = MappingProxyType(
    {
        WorkState.QUEUED: _F.PENDING,
        WorkState.LEASED: _F.PROCESSING,
        WorkState.DONE: _F.COMPLETED,
        WorkState.FAILED: _F.FAILED,
        WorkState.CANCELLED: _F.CANCELLED,
    }
)
"""Each state of the work item as the API's name, unless the request itself says that it is quarantined."""

FORMATS: Final = MappingProxyType({"jpg": "jpg", "jpeg": "jpg", "png": "png", "webp": "webp"})
"""What a client may ask for, and what is written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marked part of one video: frames ``[start, end)``, 0-based, in presentation order."""

    segment_id: int
    asset_id: str
    label: str
    span: FrameSpan


@dataclass(frozen=True, slots=True)
class ChosenSegment:
    """A segment as it was when it was asked for: a later change of the segment does not change the request."""

    segment_id: int
    span: FrameSpan


@dataclass(frozen=True, slots=True)
class NewFrames:
    """What is asked for. ``owner`` is the caller's subject, ``level`` the name of the policy."""

    request_id: str
    owner: str
    asset_id: str
    policy: PolicyRef
    picture_format: str
    segments: tuple[ChosenSegment, ...]

    @property
    def total_frames(self) -> int:
        """Pictures that the ZIP will hold."""
        return sum(len(chosen.span) for chosen in self.segments)

    @property
    def work_key(self) -> str:
        """The same for the same work of the same owner, whatever the order of the segments."""
        spans = sorted((one.segment_id, one.span.start, one.span.end) for one in self.segments)
        parts = [self.owner, self.asset_id, self.policy.digest, self.picture_format, spans]
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FrameArchive:
    """The ZIP in the work blobs."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """One request as it is now. ``number`` is the work item's place, never shown. ``archive`` is None once expired."""

    number: int
    request_id: str
    owner: str
    asset_id: str
    policy: PolicyRef
    picture_format: str
    segments: tuple[ChosenSegment, ...]
    state: FrameState
    reason: str | None
    total_frames: int
    share_done: float
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    archive: FrameArchive | None

    @property
    def processed_frames(self) -> int:
        """Pictures that are ready; all of them exactly when the request is completed."""
        if self.state is FrameState.COMPLETED:
            return self.total_frames
        return min(self.total_frames - 1, int(self.share_done * self.total_frames))


@dataclass(frozen=True, slots=True)
class FramePulse:
    """What tells how the service is, cheap enough for whoever asks every few seconds. ``mean_seconds``: as below."""

    pending: int
    mean_seconds: float | None
    stored_bytes: int
    workers: int


@dataclass(frozen=True)
class FrameFigures:
    """How the service does. ``mean_seconds`` is None before the first request ended well."""

    by_state: dict[FrameState, int]
    frames_written: int
    mean_seconds: float | None
    stored_bytes: int
    live_tokens: int
    workers: int


def picture_name(asset_id: str, segment_id: int, frame: int, picture_format: str) -> str:
    """The name in the ZIP: pseudonym, segment and frame number, nothing of a person."""
    return f"{asset_id}/segment-{segment_id}/frame-{frame:07d}.{picture_format}"


def frames_of(segments: Sequence[ChosenSegment]) -> tuple[FrameSpan, ...]:
    """The frames that any segment wants, as rising spans that do not touch."""
    merged: list[FrameSpan] = []
    for span in sorted(one.span for one in segments):
        if merged and span.start <= merged[-1].end:
            merged[-1] = FrameSpan(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
