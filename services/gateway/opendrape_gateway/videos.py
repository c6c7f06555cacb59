"""What the gateway tells about videos and pictures: reads the catalogue and composes the answers, without HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.domain.reasons import REASONS, explain
from opendrape.domain.states import API_NAMES, AssetState
from opendrape.domain.work import ArtefactKind, Asset, Chunk
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.video_shelf import Standing, VideoFilter, VideoShelf
from opendrape_gateway.progress import asset_progress
from opendrape_gateway.schemas import (
    ChunkAnswer,
    Image,
    ImageList,
    MediaAnswer,
    PictureAnswer,
    PolicyAnswer,
    Video,
    VideoList,
    VideoState,
    VideoSummary,
)
from opendrape_gateway.sight import Sight


@dataclass(frozen=True, slots=True)
class Question:
    """What a list is asked for. One name of the API may stand for several internal states."""

    state: VideoState | None
    sight: Sight
    subject: str | None
    after: str | None
    limit: int

    @property
    def as_query(self) -> dict[str, str]:
        """How the next page's address says it, but for where it starts."""
        asked = {"limit": str(self.limit)}
        asked |= {"state": self.state.value} if self.state else {}
        return asked | ({"subject": self.subject} if self.subject else {})


def list_videos(shelf: VideoShelf, question: Question) -> VideoList:
    """One page of videos in id order, after the id ``after``."""
    page, next_after = _page(shelf, question, pictures=False)
    return VideoList(videos=page, next_after=next_after)


def list_images(shelf: VideoShelf, question: Question) -> ImageList:
    """The same of pictures."""
    page, next_after = _page(shelf, question, pictures=True)
    return ImageList(images=page, next_after=next_after)


def _page(shelf: VideoShelf, question: Question, *, pictures: bool) -> tuple[list[VideoSummary], str | None]:
    wanted = VideoFilter(
        states=tuple(one for one in AssetState if API_NAMES[one] == question.state),
        owner=question.sight.owner,
        whoever_brought_it=question.sight.whoever_brought_it,
        subject_id=question.subject,
        after=question.after,
        limit=question.limit + 1,
        pictures=pictures,
    )
    found = shelf.page(wanted)
    page, more = found[: question.limit], len(found) > question.limit
    standings = shelf.standings([asset for asset in page if API_NAMES[asset.state] != VideoState.COMPLETED])
    summaries = [_summary(asset, standings.get(asset.asset_id)) for asset in page]
    return summaries, page[-1].asset_id if more else None


def show_image(catalogue: Catalogue, shelf: VideoShelf, asset: Asset) -> Image:
    """One picture in full."""
    media = catalogue.media_info(asset.asset_id)
    return Image(**summary_of(shelf, asset).model_dump(), media=PictureAnswer.of(media) if media else None)


def show_video(catalogue: Catalogue, shelf: VideoShelf, asset: Asset) -> Video:
    """One video in full."""
    media = catalogue.media_info(asset.asset_id)
    kept = catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.CHUNK)
    stored = frozenset(artefact.chunk for artefact in kept)
    return Video(
        **summary_of(shelf, asset).model_dump(),
        media=MediaAnswer.of(media) if media else None,
        chunks=[_chunk(chunk, stored) for chunk in catalogue.chunks(asset.asset_id)],
    )


def summary_of(shelf: VideoShelf, asset: Asset) -> VideoSummary:
    """One video as in a list."""
    return _summary(asset, shelf.standings([asset])[asset.asset_id])


def _summary(asset: Asset, standing: Standing | None) -> VideoSummary:
    reason = asset.reason if asset.reason is None or asset.reason in REASONS else "other"
    return VideoSummary(
        id=asset.asset_id,
        subject=asset.subject_id,
        state=VideoState(API_NAMES[asset.state]),
        internal_state=asset.state,
        reason=reason,
        reason_text=explain(reason),
        progress=progress_of(asset, standing),
        policy=PolicyAnswer(name=asset.policy.name, digest=asset.policy.digest),
        size_bytes=asset.size_bytes,
        created_at=asset.created_at,
        updated_at=asset.updated_at,
    )


def progress_of(asset: Asset, standing: Standing | None) -> float:
    """From 0 to 1; a completed video needs no standing."""
    if standing is None:
        return 1.0
    return asset_progress(asset.state, standing)


def _chunk(chunk: Chunk, stored: frozenset[int]) -> ChunkAnswer:
    return ChunkAnswer(
        index=chunk.index, start_frame=chunk.span.start, end_frame=chunk.span.end, masked=chunk.index in stored
    )
