"""Which addresses mark segments of a video: frames [start, end), 0-based, in presentation order (H-02)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.frames import Segment
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Asset
from opendrape.errors import IllegalTransition, NotFound
from opendrape.ledger.frame_wishes import Fault, FramesRefused
from opendrape_gateway.acting import Writer
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.problems import documented
from opendrape_gateway.sight import SeenVideo, WhileIn

router = APIRouter(prefix="/api/videos/{asset_id}/segments", tags=["segments"])

_LARGEST = 2**63 - 1
SegmentId = Annotated[int, Path(ge=1, le=_LARGEST)]
FrameNumber = Annotated[int, Field(ge=0, le=_LARGEST)]


class SegmentWish(BaseModel):
    """A segment as it shall be."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="what it is; a word, never a name")
    start_frame: FrameNumber = Field(description="first frame, from 0")
    end_frame: FrameNumber = Field(description="the frame after the last one")


class SegmentAnswer(BaseModel):
    """A segment."""

    model_config = ConfigDict(frozen=True)

    id: int
    video_id: str = Field(description="the video's pseudonym")
    video_number: int = Field(description="the video's number, for clients that name videos by number")
    label: str
    start_frame: int
    end_frame: int
    frames: int


class SegmentList(BaseModel):
    """A video's segments by their start."""

    model_config = ConfigDict(frozen=True)

    segments: list[SegmentAnswer]


@router.get(
    "/",
    operation_id="listSegments",
    summary="List a video's segments",
    responses=documented(401, 403, 404, 421, 422, 429, 500, 503),
)
@router.get("", include_in_schema=False)
def list_all(desk: AtDesk, video: SeenVideo) -> SegmentList:
    """By start."""
    return SegmentList(segments=[_answer(desk, one) for one in desk.segments.of_asset(video.asset_id)])


@router.post(
    "/",
    operation_id="addSegment",
    summary="Mark a segment",
    status_code=201,
    responses=documented(401, 403, 404, 409, 413, 421, 422, 429, 500, 503),
)
@router.post("", include_in_schema=False, status_code=201)
def add(desk: AtDesk, caller: Writer, video: SeenVideo, wish: SegmentWish, while_in: WhileIn) -> SegmentAnswer:
    """Within the video, which must have been probed (409 before)."""
    span = _span(desk, video, wish)
    added = desk.segments.add(video.asset_id, label=wish.label, span=span, actor=caller.subject, while_in=while_in)
    return _answer(desk, added)


@router.get(
    "/{segment_id}/",
    operation_id="getSegment",
    summary="Show one segment",
    responses=documented(401, 403, 404, 421, 422, 429, 500, 503),
)
@router.get("/{segment_id}", include_in_schema=False)
def show(desk: AtDesk, video: SeenVideo, segment_id: SegmentId) -> SegmentAnswer:
    """One of this video."""
    return _answer(desk, _segment(desk, video, segment_id))


@router.put(
    "/{segment_id}/",
    operation_id="replaceSegment",
    summary="Change a segment",
    responses=documented(401, 403, 404, 409, 413, 421, 422, 429, 500, 503),
)
@router.put("/{segment_id}", include_in_schema=False)
def replace(
    desk: AtDesk, caller: Writer, video: SeenVideo, segment_id: SegmentId, wish: SegmentWish, while_in: WhileIn
) -> SegmentAnswer:
    """Requests for frames that named it keep what they asked for."""
    _segment(desk, video, segment_id)
    span = _span(desk, video, wish)
    changed = desk.segments.change(segment_id, label=wish.label, span=span, actor=caller.subject, while_in=while_in)
    return _answer(desk, changed)


@router.delete(
    "/{segment_id}/",
    operation_id="removeSegment",
    summary="Remove a segment",
    status_code=204,
    responses=documented(401, 403, 404, 409, 421, 422, 429, 500, 503),
)
@router.delete("/{segment_id}", include_in_schema=False, status_code=204)
def remove(desk: AtDesk, caller: Writer, video: SeenVideo, segment_id: SegmentId, while_in: WhileIn) -> None:
    """Requests for frames that named it keep what they asked for."""
    _segment(desk, video, segment_id)
    desk.segments.remove(segment_id, actor=caller.subject, while_in=while_in)


def _segment(desk: Desk, video: Asset, segment_id: int) -> Segment:
    found = desk.segments.segment(segment_id)
    if found.asset_id != video.asset_id:
        raise NotFound
    return found


def _span(desk: Desk, video: Asset, wish: SegmentWish) -> FrameSpan:
    media = desk.catalogue.media_info(video.asset_id)
    if media is None:
        raise IllegalTransition("the video was not probed yet", reason="not_planned")
    if not wish.start_frame < wish.end_frame <= media.frame_count:
        raise FramesRefused([Fault("end_frame", "span_invalid")])
    return FrameSpan(wish.start_frame, wish.end_frame)


def _answer(desk: Desk, segment: Segment) -> SegmentAnswer:
    return SegmentAnswer(
        id=segment.segment_id,
        video_id=segment.asset_id,
        video_number=desk.segments.number_of(segment.asset_id) or 0,
        label=segment.label,
        start_frame=segment.span.start,
        end_frame=segment.span.end,
        frames=len(segment.span),
    )
