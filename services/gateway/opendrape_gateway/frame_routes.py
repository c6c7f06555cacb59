"""Which addresses take requests for frames: the paths and fields of the predecessor, with and without a last slash."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from opendrape.domain.access import Caller, Role
from opendrape.domain.frames import FrameRequest, FrameState
from opendrape.errors import NotFound, StorageUnavailable
from opendrape.ledger.frame_service import FrameService, archive_of
from opendrape.ledger.frame_wishes import FramesRefused
from opendrape.ports.frames import FrameFilter
from opendrape_gateway.acting import Downloader, Reader, Writer
from opendrape_gateway.blob_response import BlobResponse
from opendrape_gateway.callers import must_see
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.frame_answers import (
    DownloadToken,
    EndedBadly,
    FramesCancelled,
    FramesHealth,
    FramesList,
    FramesStarted,
    FramesStatus,
    FramesWish,
    ListedFrames,
)
from opendrape_gateway.idempotency import PARAMETER, IdempotentRoute
from opendrape_gateway.openapi_models import reference
from opendrape_gateway.problems import InvalidParameter, documented, problem_response
from opendrape_gateway.sight import may_see_video

router = APIRouter(prefix="/api/frames/anonymize", tags=["frames"])
open_router = APIRouter(prefix="/api/frames/anonymize", tags=["frames"])
"""Health: nobody signs in for it."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_OFFSET = 10_000_000

RequestId = Annotated[str, Path(description="as the start answered it")]
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": reference(FramesWish)}}}
}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the pictures and a manifest",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def start(request: Request, desk: AtDesk, caller: Writer) -> Any:
    """Every fault of the wish is told at once. The same frames twice at a time are refused (409)."""
    wish = _json(await request.body())
    return await run_in_threadpool(_start, request, desk, caller, wish)


_START: dict[str, Any] = {"methods": ["POST"], "status_code": 202, "response_model": FramesStarted}
router.add_api_route(
    "/",
    start,
    operation_id="startFrames",
    summary="Ask for masked frames of segments",
    openapi_extra=_BODY | {"parameters": [PARAMETER]},
    responses=documented(400, 401, 403, 404, 409, 413, 421, 422, 429, 500, 503),
    route_class_override=IdempotentRoute,
    **_START,
)
router.add_api_route("", start, include_in_schema=False, route_class_override=IdempotentRoute, **_START)


@router.get(
    "/status/{request_id}/",
    operation_id="getFramesStatus",
    summary="How far is a request",
    response_model=EndedBadly | FramesStatus,
    responses=documented(401, 403, 404, 421, 422, 429, 500, 503),
)
@router.get("/status/{request_id}", include_in_schema=False, response_model=EndedBadly | FramesStatus)
def status(desk: AtDesk, caller: Reader, request_id: RequestId) -> FramesStatus:
    """Progress in percent, frames done, seconds left as measured."""
    return FramesStatus.of(_mine(desk, caller, request_id), _service(desk))


@router.get(
    "/download/{request_id}/",
    operation_id="downloadFrames",
    summary="Fetch the ZIP",
    response_class=Response,
    responses=_ZIP | documented(401, 403, 404, 409, 410, 421, 422, 429, 500, 503),
)
@router.get("/download/{request_id}", include_in_schema=False, response_class=Response)
def download(
    desk: AtDesk,
    caller: Downloader,
    request_id: RequestId,
    token: Annotated[str | None, Query(max_length=128, description="see the header; it keeps out of logs")] = None,
    x_download_token: Annotated[str | None, Header(max_length=128, description="use this token up")] = None,
) -> Response:
    """Without a token one is made and used at once. A token is good for one download; make a new one when it broke."""
    request, service = _mine(desk, caller, request_id), _service(desk)
    archive = archive_of(request)
    given = x_download_token or token or service.new_token(request, actor=caller.subject).text
    try:
        blob = desk.container.work_blobs.open(archive.name)
    except NotFound as error:
        raise StorageUnavailable("the result is not where it was put", reason="storage_unavailable") from error
    try:
        service.redeem(request, given, actor=caller.subject)
    except BaseException:
        blob.close()
        raise
    return BlobResponse(
        blob,
        sha256=archive.sha256,
        size_bytes=archive.size_bytes,
        filename=f"frames-{request.request_id}.zip",
        media_type="application/zip",
    )


@router.post(
    "/download/{request_id}/token/",
    operation_id="makeFramesToken",
    summary="Make a token for one download",
    status_code=201,
    responses=documented(401, 403, 404, 409, 410, 421, 422, 429, 500, 503),
)
@router.post("/download/{request_id}/token", include_in_schema=False, status_code=201)
def make_token(desk: AtDesk, caller: Downloader, request_id: RequestId) -> DownloadToken:
    """For whoever downloads later; kept as a digest only."""
    made = _service(desk).new_token(_mine(desk, caller, request_id), actor=caller.subject)
    return DownloadToken(token=made.text, expires_at=made.expires_at)


@router.get(
    "/requests/",
    operation_id="listFrames",
    summary="List requests",
    responses=documented(401, 403, 421, 422, 429, 500, 503),
)
@router.get("/requests", include_in_schema=False)
def list_all(
    desk: AtDesk,
    caller: Reader,
    video_id: Annotated[str | None, Query(max_length=64, description="only of this video: pseudonym or number")] = None,
    status: Annotated[FrameState | None, Query(description="only in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=_MOST_OFFSET)] = 0,
) -> FramesList:
    """Own requests, newest first; an admin sees everybody's."""
    owner = None if caller.is_any_of(Role.ADMIN) else caller.subject
    asset_id = None if video_id is None else _asset_named(desk, video_id)
    which = FrameFilter(owner=owner, asset_id=asset_id, state=status, limit=limit, offset=offset)
    found, count = desk.frames.requests(which), desk.frames.count(which)
    return FramesList(count=count, limit=limit, offset=offset, requests=[ListedFrames.of(one) for one in found])


@open_router.get(
    "/health/", operation_id="getFramesHealth", summary="How does the service do", responses=documented(421, 500, 503)
)
@open_router.get("/health", include_in_schema=False)
def health(desk: AtDesk) -> FramesHealth:
    """Workers that were seen lately, requests that wait, measured time, bytes kept; nothing of anybody's requests."""
    return FramesHealth.of(desk.frames.pulse())


@router.delete(
    "/{request_id}/",
    operation_id="cancelFrames",
    summary="Cancel a request",
    responses=documented(401, 403, 404, 409, 421, 422, 429, 500, 503),
)
@router.delete("/{request_id}", include_in_schema=False)
def cancel(desk: AtDesk, caller: Writer, request_id: RequestId) -> FramesCancelled:
    """Whoever works on it stops; one that has ended cannot be cancelled (409)."""
    request = _mine(desk, caller, request_id)
    ended = desk.frames.cancel(request.request_id, actor=caller.subject)
    return FramesCancelled(request_id=ended.request_id, status=ended.state, message="Request cancelled")


def _start(request: Request, desk: Desk, caller: Caller, wish: object) -> Response | FramesStarted:
    service = _service(desk)
    try:
        taken = service.start(
            wish, owner=caller.subject, actor=caller.subject, sees=partial(may_see_video, desk, caller)
        )
    except FramesRefused as refused:
        return _refusal(request, refused)
    return FramesStarted(
        request_id=taken.request_id,
        message=f"Anonymization of {taken.total_frames} frames started",
        estimated_processing_time=service.estimated_seconds(taken),
    )


def _refusal(request: Request, refused: FramesRefused) -> Response:
    wrong = [
        InvalidParameter(location="body", name=fault.field, code=fault.reason, detail=fault.text)
        for fault in refused.faults
    ]
    status = 404 if any(fault.reason == "video_not_found" for fault in refused.faults) else 422
    request_id = request.scope.get("opendrape.request_id")
    return problem_response(request_id, status, reason=refused.reason, errors=wrong, detail=str(refused))


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        return None


def _service(desk: Desk) -> FrameService:
    return FrameService(desk.container)


def _mine(desk: Desk, caller: Caller, request_id: str) -> FrameRequest:
    """The request; one of somebody else is not there."""
    if not _UUID.fullmatch(request_id):
        raise NotFound
    request = desk.frames.request(request_id)
    must_see(caller, request.owner)
    return request


def _asset_named(desk: Desk, video_id: str) -> str:
    """The pseudonym; one that fits nothing for a number that is none."""
    if re.fullmatch(r"[0-9]{1,18}", video_id):
        return desk.segments.asset_numbered(int(video_id)) or ""
    return video_id if re.fullmatch(r"[a-z0-9-]{1,64}", video_id) else ""
