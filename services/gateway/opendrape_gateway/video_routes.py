"""Which addresses list, show, cancel and retry videos: keyset pages with a Link header, entity tags, problems."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Response

from opendrape_gateway.acting import Reader, Writer
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk
from opendrape_gateway.entity_tags import TAG, tagged
from opendrape_gateway.idempotency import PARAMETER, IdempotentRoute
from opendrape_gateway.problems import documented
from opendrape_gateway.schemas import Video, VideoList, VideoState, VideoSummary
from opendrape_gateway.sight import ASSET_ID, SeenVideo, WhileIn, sight_of
from opendrape_gateway.videos import Question, list_videos, show_video, summary_of

router = APIRouter(tags=["videos"], route_class=IdempotentRoute)

LINK = {"Link": {"description": 'rel="next", when there is a next page', "schema": {"type": "string"}}}
OfPatient = Annotated[str | None, Query(pattern=f"^{ASSET_ID}$", description="only of this patient")]
OF_ONE = documented(401, 403, 404, 421, 422, 429, 500, 503)


@at(
    router.get,
    "/api/videos/",
    operation_id="listVideos",
    summary="List videos",
    responses={200: {"headers": LINK}, **documented(401, 403, 421, 422, 429, 500, 503)},
)
def list_all(
    desk: AtDesk,
    caller: Reader,
    response: Response,
    state: Annotated[VideoState | None, Query(description="only videos in this state")] = None,
    subject: OfPatient = None,
    after: Annotated[str | None, Query(pattern=f"^{ASSET_ID}$", description="id of the last video seen")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="videos per page")] = 50,
) -> VideoList:
    """The caller's own videos in id order; a reviewer's also whatever waits for a decision, an administrator's all.

    Follow the Link header, or pass ``next_after``.
    """
    question = Question(state, sight_of(caller), subject, after, limit)
    page = list_videos(desk.container.door.videos, question)
    tell_next(response, question, page.next_after)
    return page


def tell_next(response: Response, question: Question, after: str | None) -> None:
    """The Link header, when there is a next page."""
    if after:
        # relative to the request's own address: right behind any proxy, and nothing of the Host header comes back
        response.headers["Link"] = f'<?{urlencode({"after": after} | question.as_query)}>; rel="next"'


@at(
    router.get,
    "/api/videos/{asset_id}/",
    operation_id="getVideo",
    summary="Show one video",
    response_model=Video,
    responses={
        200: {"headers": TAG},
        304: {"description": "Not Modified: the tag in If-None-Match is still right"},
        **OF_ONE,
    },
)
def show_one(
    desk: AtDesk,
    video: SeenVideo,
    if_none_match: Annotated[str | None, Header(description="tags the client already has")] = None,
) -> Response:
    """State, progress, reason, policy, media facts and chunks."""
    shown = show_video(desk.catalogue, desk.container.door.videos, video)
    return tagged(shown.model_dump_json().encode(), if_none_match)


@at(
    router.post,
    "/api/videos/{asset_id}/cancel/",
    operation_id="cancelVideo",
    summary="Cancel a video's work",
    responses={**OF_ONE, **documented(400, 409)},
    openapi_extra={"parameters": [PARAMETER]},
)
def cancel(desk: AtDesk, video: SeenVideo, caller: Writer, while_in: WhileIn) -> VideoSummary:
    """Ends the journey and every open piece of work. 409 when it is over already."""
    done = desk.catalogue.cancel(video.asset_id, actor=caller.subject, while_in=while_in)
    return summary_of(desk.container.door.videos, done)


@at(
    router.post,
    "/api/videos/{asset_id}/retry/",
    operation_id="retryVideo",
    summary="Start again what failed, was cancelled or quarantined",
    responses={**OF_ONE, **documented(400, 409)},
    openapi_extra={"parameters": [PARAMETER]},
)
def retry(desk: AtDesk, video: SeenVideo, caller: Writer, while_in: WhileIn) -> VideoSummary:
    """Under the same policy; finished pieces are kept. 409 in any other state, so of many at once exactly one wins."""
    done = desk.catalogue.retry(video.asset_id, actor=caller.subject, while_in=while_in)
    return summary_of(desk.container.door.videos, done)
