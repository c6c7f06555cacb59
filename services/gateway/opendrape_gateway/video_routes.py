"""Which addresses list and show videos: keyset pages with a Link header, entity tags, problems for every error."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from opendrape.domain.access import Scope
from opendrape.errors import NotFound
from opendrape_gateway.callers import needs
from opendrape_gateway.desk import AtDesk
from opendrape_gateway.problems import documented
from opendrape_gateway.schemas import Video, VideoList, VideoState
from opendrape_gateway.videos import list_videos, show_video

router = APIRouter(tags=["videos"], dependencies=[Depends(needs(scope=Scope.READ))])

_ASSET_ID = r"[a-z0-9-]{1,64}"
_LINK = {"Link": {"description": 'rel="next", when there is a next page', "schema": {"type": "string"}}}
_TAG = {"ETag": {"description": "tag of this representation", "schema": {"type": "string"}}}


@router.get(
    "/api/videos/",
    operation_id="listVideos",
    summary="List videos",
    responses={200: {"headers": _LINK}, **documented(401, 403, 421, 422, 429, 500, 503)},
)
@router.get("/api/videos", include_in_schema=False)
def list_all(
    desk: AtDesk,
    response: Response,
    state: Annotated[VideoState | None, Query(description="only videos in this state")] = None,
    after: Annotated[str | None, Query(pattern=f"^{_ASSET_ID}$", description="id of the last video seen")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="videos per page")] = 50,
) -> VideoList:
    """Videos in id order. Follow the Link header, or pass ``next_after`` as ``after``."""
    page = list_videos(desk.catalogue, state=state, after=after, limit=limit)
    if page.next_after:
        asked = {"after": page.next_after, "limit": limit} | ({"state": state.value} if state else {})
        # relative to the request's own address: right behind any proxy, and nothing of the Host header comes back
        response.headers["Link"] = f'<?{urlencode(asked)}>; rel="next"'
    return page


@router.get(
    "/api/videos/{asset_id}/",
    operation_id="getVideo",
    summary="Show one video",
    response_model=Video,
    responses={
        200: {"headers": _TAG},
        304: {"description": "Not Modified: the tag in If-None-Match is still right"},
        **documented(401, 403, 404, 421, 422, 429, 500, 503),
    },
)
@router.get("/api/videos/{asset_id}", include_in_schema=False)
def show_one(
    desk: AtDesk,
    asset_id: Annotated[str, Path(description="the asset's pseudonym")],
    if_none_match: Annotated[str | None, Header(description="tags the client already has")] = None,
) -> Response:
    """State, progress, reason, policy, media facts and chunks."""
    if not re.fullmatch(_ASSET_ID, asset_id):
        raise NotFound
    content = show_video(desk.catalogue, asset_id).model_dump_json().encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if _matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _matches(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with any listed tag, or ``*``."""
    if if_none_match is None:
        return False
    listed = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in listed or tag in listed
