"""Which addresses are there for pictures: those of videos that mean something for one, served by the same code (H-02).

What is a picture is decided by its content. A picture is never found under the videos' addresses, nor a video here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from opendrape.domain.regions import MaskReport
from opendrape_gateway import form_routes, video_papers, video_routes
from opendrape_gateway.acting import Reader
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk
from opendrape_gateway.entity_tags import TAG, tagged
from opendrape_gateway.idempotency import PARAMETER, IdempotentRoute
from opendrape_gateway.openapi_models import SignedReceipt
from opendrape_gateway.problems import documented
from opendrape_gateway.schemas import Image, ImageList, VideoState
from opendrape_gateway.sight import ASSET_ID, SeenVideo, sight_of
from opendrape_gateway.video_routes import LINK, OF_ONE, OfPatient, tell_next
from opendrape_gateway.videos import Question, list_images, show_image

router = APIRouter(tags=["images"], route_class=IdempotentRoute)
_ONE = "/api/images/{asset_id}/"
_TAGGED = {200: {"headers": TAG}, 304: {"description": "Not Modified: the tag in If-None-Match is still right"}}
_ACT = {"responses": {**OF_ONE, **documented(400, 409)}, "openapi_extra": {"parameters": [PARAMETER]}}


@at(
    router.get,
    "/api/images/",
    operation_id="listImages",
    summary="List pictures",
    responses={200: {"headers": LINK}, **documented(401, 403, 421, 422, 429, 500, 503)},
)
def list_all(
    desk: AtDesk,
    caller: Reader,
    response: Response,
    state: Annotated[VideoState | None, Query(description="only pictures in this state")] = None,
    subject: OfPatient = None,
    after: Annotated[str | None, Query(pattern=f"^{ASSET_ID}$", description="id of the last picture seen")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="pictures per page")] = 50,
) -> ImageList:
    """The caller's own pictures in id order, as the list of videos."""
    question = Question(state, sight_of(caller), subject, after, limit)
    page = list_images(desk.container.door.videos, question)
    tell_next(response, question, page.next_after)
    return page


@at(
    router.get,
    _ONE,
    operation_id="getImage",
    summary="Show one picture",
    response_model=Image,
    responses={**_TAGGED, **OF_ONE},
)
def show_one(
    desk: AtDesk,
    picture: SeenVideo,
    if_none_match: Annotated[str | None, Header(description="tags the client already has")] = None,
) -> Response:
    """State, progress, reason, policy and media facts."""
    shown = show_image(desk.catalogue, desk.container.door.videos, picture)
    return tagged(shown.model_dump_json().encode(), if_none_match)


form_routes.takes_a_form(router, "/api/images/", operation_id="uploadImage", summary="Upload a picture in one form")
at(router.post, _ONE + "cancel/", operation_id="cancelImage", summary="Cancel a picture's work", **_ACT)(
    video_routes.cancel
)
at(
    router.post,
    _ONE + "retry/",
    operation_id="retryImage",
    summary="Start again what failed, was cancelled or quarantined",
    **_ACT,
)(video_routes.retry)
at(
    router.get,
    _ONE + "regions/",
    operation_id="getImageRegions",
    summary="Which regions are marked",
    response_model=video_papers.MarkedRegions,
    responses={**_TAGGED, **OF_ONE},
)(video_papers.regions)
at(
    router.put,
    _ONE + "regions/",
    operation_id="putImageRegions",
    summary="Mark regions and mask the picture with them",
    responses={**OF_ONE, **documented(409)},
)(video_papers.mark)
at(
    router.get,
    _ONE + "report/",
    operation_id="getImageReport",
    summary="What was masked",
    response_model=MaskReport,
    responses={**_TAGGED, **OF_ONE},
)(video_papers.report)
at(
    router.get,
    _ONE + "receipt/",
    operation_id="getImageReceipt",
    summary="The signed receipt",
    response_class=Response,
    responses={200: {"description": "the receipt as it was signed, byte for byte", "model": SignedReceipt}, **OF_ONE},
)(video_papers.receipt)
