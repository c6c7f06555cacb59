"""Which addresses show what was marked in a video, what was masked, and the signed receipt of its delivery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from opendrape.domain.marked import MarkedRegion
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.regions import MaskReport
from opendrape.domain.work import ArtefactKind, Asset
from opendrape.errors import IllegalTransition, NotFound
from opendrape.ports.catalogue import NewAsset
from opendrape_gateway.acting import Downloader, Writer
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk
from opendrape_gateway.entity_tags import TAG, tagged
from opendrape_gateway.openapi_models import SignedReceipt
from opendrape_gateway.problems import documented
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.sight import SeenVideo, WhileIn

router = APIRouter(tags=["videos"])
_OF_ONE = documented(401, 403, 404, 421, 422, 429, 500, 503)
_NOT_MODIFIED = {304: {"description": "Not Modified: the tag in If-None-Match is still right"}}
_LARGEST = 2**31 - 1
IfNoneMatch = Annotated[str | None, Header(description="tags the client already has")]


class MarkedRegions(BaseModel):
    """Regions of one video that are masked beside whatever its policy says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: tuple[MarkedRegion, ...] = Field(max_length=1000)

    @model_validator(mode="after")
    def _are_possible(self) -> MarkedRegions:
        for region in self.regions:
            if region.end_frame is not None and region.end_frame <= region.start_frame:
                raise ValueError("ends before it starts")
            if max(region.x, region.y, region.width, region.height, region.end_frame or 0) > _LARGEST:
                raise ValueError("out of any picture")
        return self


@at(
    router.get,
    "/api/videos/{asset_id}/regions/",
    operation_id="getMarkedRegions",
    summary="Which regions are marked",
    response_model=MarkedRegions,
    responses={200: {"headers": TAG}, **_NOT_MODIFIED, **_OF_ONE},
)
def regions(desk: AtDesk, video: SeenVideo, if_none_match: IfNoneMatch = None) -> Response:
    """The marks that the video's present policy carries."""
    policy = desk.container.policies.by_reference(video.policy)
    return tagged(MarkedRegions(regions=policy.marked).model_dump_json().encode(), if_none_match)


@at(
    router.put,
    "/api/videos/{asset_id}/regions/",
    operation_id="putMarkedRegions",
    summary="Mark regions and mask the video with them",
    responses={**_OF_ONE, **documented(409)},
)
def mark(desk: AtDesk, video: SeenVideo, caller: Writer, marked: MarkedRegions, while_in: WhileIn) -> MarkedRegions:
    """The marks become part of the video's policy, whose digest is in every receipt, and the video is masked again.

    409 while the video is on its way: cancel it first. The same marks again change nothing. 422 for a mark that lies
    wholly outside the picture, or begins after the last frame: it would hide nothing.
    """
    _must_be_in(desk.catalogue.media_info(video.asset_id), marked)
    policies = desk.container.policies
    policy = policies.by_reference(video.policy).model_copy(update={"marked": marked.regions})
    if policy.digest != video.policy.digest:
        policies.remember(policy)
        new = NewAsset(video.asset_id, video.subject_id, video.content_sha256, video.size_bytes, policy.reference)
        if not desk.catalogue.register(new, actor=caller.subject, while_in=while_in).accepted:
            raise IllegalTransition("marks need a video that is not on its way")
    return marked


def _must_be_in(media: MediaInfo | None, marked: MarkedRegions) -> None:
    """Before the video was probed nobody knows."""
    if media is not None and any(
        one.x >= media.width or one.y >= media.height or one.start_frame >= media.frame_count for one in marked.regions
    ):
        raise Refusal(422, "mark_outside")


@at(
    router.get,
    "/api/videos/{asset_id}/report/",
    operation_id="getReport",
    summary="What was masked when",
    response_model=MaskReport,
    responses={200: {"headers": TAG}, **_NOT_MODIFIED, **_OF_ONE},
)
def report(desk: AtDesk, video: SeenVideo, if_none_match: IfNoneMatch = None) -> Response:
    """Counts, intervals, models and checks of the whole video. 404 until it is assembled."""
    found = desk.catalogue.report(video.asset_id, video.policy.digest)
    if found is None:
        raise NotFound
    return tagged(found.model_dump_json().encode(), if_none_match)


@at(
    router.get,
    "/api/videos/{asset_id}/receipt/",
    operation_id="getReceipt",
    summary="The signed receipt",
    response_class=Response,
    responses={
        200: {"description": "the receipt as it was signed, byte for byte", "model": SignedReceipt},
        **_OF_ONE,
    },
)
def receipt(desk: AtDesk, video: SeenVideo, _caller: Downloader) -> Response:
    """``opendrape receipts verify`` checks it. 404 until the video is delivered."""
    headers = {"Content-Disposition": f'attachment; filename="{video.asset_id}.receipt.json"'}
    return Response(_receipt(desk, video), media_type="application/json", headers=headers)


def _receipt(desk: AtDesk, video: Asset) -> bytes:
    stored = desk.catalogue.artefacts(video.asset_id, video.policy.digest, ArtefactKind.RECEIPT)
    if not stored:
        raise NotFound
    with desk.container.destination_blobs.open(stored[-1].name) as blob:
        return blob.read()
