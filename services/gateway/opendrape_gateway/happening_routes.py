"""Which addresses tell how far a video is and what happened to it, once or as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from opendrape.domain.states import AWAITING_A_DECISION
from opendrape_gateway.acting import Reader
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.entity_tags import TAG, tagged
from opendrape_gateway.happenings import EventStream, Progress, StreamSlots, Timeline, is_over, progress, timeline
from opendrape_gateway.problems import documented
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.shared_look import SharedLook
from opendrape_gateway.sight import SeenGlance, SeenVideo, may_see_video

router = APIRouter(tags=["videos"])
_OF_ONE = documented(401, 403, 404, 421, 422, 429, 500, 503)
_LATEST = 2**53


@at(
    router.get,
    "/api/videos/{asset_id}/progress/",
    operation_id="getProgress",
    summary="How far is it, and how long will it take",
    response_model=Progress,
    responses={
        200: {"headers": TAG},
        304: {"description": "Not Modified: the tag in If-None-Match is still right"},
        **_OF_ONE,
    },
)
async def how_far(
    desk: AtDesk,
    glance: SeenGlance,
    if_none_match: Annotated[str | None, Header(description="tags the client already has")] = None,
) -> Response:
    """Small enough to ask every few seconds."""
    standing = desk.standings.at_once(glance)
    if standing is None:
        standing = await run_in_threadpool(desk.standings.standing, glance)
    shown = progress(glance.asset, standing, desk.container.clock)
    return tagged(shown.model_dump_json().encode(), if_none_match)


@at(
    router.get,
    "/api/videos/{asset_id}/timeline/",
    operation_id="getTimeline",
    summary="What happened to it",
    responses=_OF_ONE,
)
def what_happened(
    desk: AtDesk,
    video: SeenVideo,
    after: Annotated[int, Query(ge=0, le=_LATEST, description="id of the last event seen")] = 0,
    limit: Annotated[int, Query(ge=1, le=100, description="events per page")] = 50,
) -> Timeline:
    """Changes of state, oldest first."""
    return timeline(desk, video, after=after, limit=limit)


@at(
    router.get,
    "/api/videos/{asset_id}/events/",
    operation_id="streamEvents",
    summary="Tell what happens, as it happens",
    response_class=StreamingResponse,
    responses={
        200: {"description": "server-sent events", "content": {"text/event-stream": {}}},
        204: {"description": "The journey is over and all of it was told: do not ask again"},
        **_OF_ONE,
    },
)
async def stream(
    request: Request,
    desk: AtDesk,
    caller: Reader,
    video: SeenVideo,
    last_event_id: Annotated[int, Header(ge=0, le=_LATEST, description="id of the last event seen")] = 0,
) -> Response:
    """``state`` events have ids: a client that reconnects sends the last one and misses nothing."""
    rules = desk.container.settings.door
    if last_event_id and is_over(video) and not await run_in_threadpool(_news, desk, video.asset_id, last_event_id):
        return Response(status_code=204)
    shown_while = None if await run_in_threadpool(may_see_video, desk, caller, video.asset_id) else AWAITING_A_DECISION
    slots = _slots(request, rules.event_streams)
    if not slots.take():
        raise Refusal(503, "too_many_event_streams", headers={"Retry-After": "5"})
    shared = _shared_look(request, desk)
    stopping = request.app.state.stopping
    events = EventStream(desk, video.asset_id, last_event_id, rules, stopping, shared, shown_while)
    return _Counted(events.lines(request), slots)


class _Counted(StreamingResponse):
    """A stream that gives its place back, however it ends."""

    def __init__(self, lines: AsyncIterator[bytes], slots: StreamSlots) -> None:
        super().__init__(lines, media_type="text/event-stream")
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._slots.give_back()


def _news(desk: AtDesk, asset_id: str, after: int) -> bool:
    return bool(desk.container.door.videos.events(asset_id, after=after, limit=1))


def _slots(request: Request, most: int) -> StreamSlots:
    state = request.app.state
    if not hasattr(state, "event_slots"):
        state.event_slots = StreamSlots(most)
    slots: StreamSlots = state.event_slots
    return slots


def _shared_look(request: Request, desk: Desk) -> SharedLook:
    state = request.app.state
    if not hasattr(state, "shared_look"):
        state.shared_look = SharedLook(desk, desk.container.settings.door.event_poll_seconds)
    shared: SharedLook = state.shared_look
    return shared
