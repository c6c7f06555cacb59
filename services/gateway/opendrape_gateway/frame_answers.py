"""What the answers about requests for frames look like: exactly the predecessor's fields, and what it left open."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.frames import FramePulse, FrameRequest, FrameState
from opendrape.domain.reasons import REASONS, explain
from opendrape.ledger.frame_service import FrameService

_UNITS = ("B", "KB", "MB", "GB", "TB")
_TOOK_TOO_LONG = frozenset({"child_silent", "timed_out", "inference_timeout"})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class FramesWish(BaseModel):
    """What to ask for. Only documentation: every fault of a wish is told at once, so it is read by hand."""

    video_id: Annotated[str | int, Field(description="the video's pseudonym, or its number")]
    segment_ids: list[int] = Field(min_length=1, description="segments of that video")
    anonymization_level: str = Field(default="faces", description="name of a policy, such as minimal, faces, full")
    output_format: Literal["jpg", "jpeg", "png", "webp"] = "jpg"


class FramesStarted(_Answer):
    """The request was taken."""

    success: Literal[True] = True
    request_id: str
    message: str
    estimated_processing_time: float | None = Field(description="seconds, as measured; null before anything ended")


class FramesStatus(_Answer):
    """How far a request is. Times in UTC."""

    request_id: str
    status: FrameState
    progress: float = Field(ge=0, le=100, description="percent of the frames, one decimal")
    total_frames: int
    processed_frames: int
    estimated_remaining_time: float | None = Field(description="seconds; null while nothing was ever measured")
    created_at: datetime
    started_at: datetime | None

    @classmethod
    def of(cls, request: FrameRequest, service: FrameService) -> FramesStatus:
        """The request in the API's form; what ended badly also says why."""
        fields = {
            "request_id": request.request_id,
            "status": request.state,
            "progress": round(100 * request.processed_frames / request.total_frames, 1),
            "total_frames": request.total_frames,
            "processed_frames": request.processed_frames,
            "estimated_remaining_time": service.remaining_seconds(request),
            "created_at": request.created_at,
            "started_at": request.started_at,
        }
        if request.state in (FrameState.FAILED, FrameState.QUARANTINED):
            return EndedBadly(**fields, reason=_known(request.reason), error=error_text(request.reason))
        return cls(**fields)


class EndedBadly(FramesStatus):
    """The status of a request that failed, or whose frames wait for a person to decide."""

    reason: str = Field(description="why, as a slug")
    error: str = Field(description="why, in one sentence")


class ListedFrames(_Answer):
    """One request in a list."""

    request_id: str
    status: FrameState
    progress: float
    total_frames: int
    processed_frames: int
    video_id: str = Field(description="the video's pseudonym")
    segment_ids: list[int]
    anonymization_level: str
    output_format: str
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    downloadable: bool = Field(description="false before the end and after the result was cleaned up")

    @classmethod
    def of(cls, request: FrameRequest) -> ListedFrames:
        """The request in the API's form."""
        return cls(
            request_id=request.request_id,
            status=request.state,
            progress=round(100 * request.processed_frames / request.total_frames, 1),
            total_frames=request.total_frames,
            processed_frames=request.processed_frames,
            video_id=request.asset_id,
            segment_ids=[one.segment_id for one in request.segments],
            anonymization_level=request.policy.name,
            output_format=request.picture_format,
            reason=None if request.reason is None else _known(request.reason),
            created_at=request.created_at,
            started_at=request.started_at,
            completed_at=request.ended_at,
            downloadable=request.archive is not None,
        )


class FramesList(_Answer):
    """One page, newest first."""

    count: int = Field(description="how many there are on all pages")
    limit: int
    offset: int
    requests: list[ListedFrames]


class FramesCancelled(_Answer):
    """The request was cancelled."""

    success: Literal[True] = True
    request_id: str
    status: FrameState
    message: str


class DownloadToken(_Answer):
    """A right to download once; send it as ``X-Download-Token``. It is shown this once."""

    token: str
    expires_at: datetime


class FramesHealth(_Answer):
    """How the service does."""

    status: Literal["healthy", "degraded"] = Field(description="degraded: no worker was seen in the last two minutes")
    workers: int
    pending_requests: int
    average_processing_time: float | None = Field(description="seconds per request, measured; null before the first")
    storage_usage: str = Field(description="results that are kept, for people to read")

    @classmethod
    def of(cls, pulse: FramePulse) -> FramesHealth:
        """The figures in the API's form."""
        mean = pulse.mean_seconds
        return cls(
            status="healthy" if pulse.workers else "degraded",
            workers=pulse.workers,
            pending_requests=pulse.pending,
            average_processing_time=None if mean is None else round(mean, 2),
            storage_usage=human_size(pulse.stored_bytes),
        )


def error_text(reason: str | None) -> str:
    """Why it ended badly; what took too long in the predecessor's words."""
    return "Processing timeout" if reason in _TOOK_TOO_LONG else explain(_known(reason)) or ""


def human_size(size_bytes: int) -> str:
    """``0 B``, ``1.5 MB``."""
    size, unit = float(size_bytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size_bytes} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def _known(reason: str | None) -> str:
    return reason if reason is not None and reason in REASONS else "error"
