"""Which addresses hand out what was made of a video or a picture: the masked file, verified and delivered (H-02).

Nothing else ever goes out here: not what is held back, not what is on its way again, not what another policy made.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response

from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import API_NAMES
from opendrape.domain.work import Artefact, ArtefactKind, Asset
from opendrape.errors import NotFound
from opendrape_gateway.acting import Downloader
from opendrape_gateway.addresses import at
from opendrape_gateway.blob_response import BlobResponse
from opendrape_gateway.byte_ranges import asked_part
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.entity_tags import OWN_CACHE, TAG, is_known
from opendrape_gateway.problems import documented
from opendrape_gateway.sight import SeenVideo

router = APIRouter()
_TYPES: Final = MappingProxyType(
    {".mp4": "video/mp4", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff"}
)
_UNKNOWN: Final = "application/octet-stream"


def _answers(*families: str) -> dict[int | str, dict[str, Any]]:
    content = {name: {"schema": {"type": "string", "format": "binary"}} for name in families}
    return {
        200: {"description": "the masked file", "content": content, "headers": TAG},
        206: {"description": "the part that was asked for", "content": content},
        304: {"description": "Not Modified: the tag in If-None-Match is still right"},
        416: {"description": "Range Not Satisfiable: the file ends before", **documented(416)[416]},
        **documented(401, 403, 404, 421, 422, 429, 500, 503),
    }


def output(
    desk: AtDesk,
    asset: SeenVideo,
    caller: Downloader,
    if_none_match: Annotated[str | None, Header(description="tags the client already has")] = None,
    range_: Annotated[str | None, Header(alias="range", description="one range of bytes: go on where it broke")] = None,
    if_range: Annotated[str | None, Header(description="the tag that the range goes on from")] = None,
) -> Response:
    """The file as it was published; its SHA-256 is in `Repr-Digest`, in the tag and in the receipt. 404 until it is
    delivered, while it is masked anew, and when nothing may go out.
    """
    published = _published(desk, asset)
    tag = f'"{published.sha256}"'
    if is_known(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": OWN_CACHE})
    part = asked_part(range_, published.size_bytes) if if_range in (None, tag) else None
    blob = desk.container.destination_blobs.open(published.name)
    try:
        _note(desk, asset, caller.subject)
    except BaseException:
        blob.close()
        raise
    ending = PurePosixPath(published.name).suffix
    made = BlobResponse(
        blob,
        sha256=published.sha256,
        size_bytes=published.size_bytes,
        filename=f"{asset.asset_id}{ending}",
        media_type=_TYPES.get(ending, _UNKNOWN),
        part=part,
    )
    made.headers.update({"ETag": tag, "Cache-Control": OWN_CACHE, "Accept-Ranges": "bytes"})
    return made


def _published(desk: Desk, asset: Asset) -> Artefact:
    if API_NAMES[asset.state] != "completed":
        raise NotFound
    found = desk.catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.PUBLISHED)
    if not found:
        raise NotFound
    return found[-1]


def _note(desk: Desk, asset: Asset, actor: str) -> None:
    """H-09: who fetched it is in the audit before the first byte goes."""
    now = desk.container.clock.now()
    desk.catalogue.append_audit(AuditEvent(actor=actor, action="output.fetched", object_id=asset.asset_id, at=now))


at(
    router.get,
    "/api/videos/{asset_id}/output/",
    operation_id="getOutput",
    summary="Fetch the masked video",
    response_class=Response,
    responses=_answers("video/mp4"),
    tags=["videos"],
)(output)
at(
    router.get,
    "/api/images/{asset_id}/output/",
    operation_id="getImageOutput",
    summary="Fetch the masked picture",
    response_class=Response,
    responses=_answers("image/jpeg", "image/png", "image/webp", "image/tiff"),
    tags=["images"],
)(output)
