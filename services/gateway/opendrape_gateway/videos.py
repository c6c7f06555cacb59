"""What the gateway tells about videos: reads the catalogue and composes the answers, without HTTP."""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import islice

from opendrape.domain.reasons import REASONS, explain
from opendrape.domain.states import API_NAMES, AssetState
from opendrape.domain.work import ArtefactKind, Asset, Chunk
from opendrape.ports.catalogue import AssetFilter, Catalogue
from opendrape_gateway.progress import asset_progress
from opendrape_gateway.schemas import ChunkAnswer, MediaAnswer, PolicyAnswer, Video, VideoList, VideoState, VideoSummary


def list_videos(catalogue: Catalogue, *, state: VideoState | None, after: str | None, limit: int) -> VideoList:
    """One page in id order, after the id ``after``. One name of the API may stand for several internal states."""
    found = _assets(catalogue, state=state, wanted=AssetFilter(after=after, limit=limit + 1))
    page = found[:limit]
    more = len(found) > limit
    return VideoList(
        videos=[_summary(catalogue, asset) for asset in page], next_after=page[-1].asset_id if more else None
    )


def show_video(catalogue: Catalogue, asset_id: str) -> Video:
    """One video in full; ``NotFound`` when unknown."""
    asset = catalogue.asset(asset_id)
    chunks, stored = catalogue.chunks(asset_id), _stored_chunks(catalogue, asset)
    media = catalogue.media_info(asset_id)
    return Video(
        **_summary(catalogue, asset).model_dump(),
        media=MediaAnswer.of(media) if media else None,
        chunks=[_chunk(chunk, stored) for chunk in chunks],
    )


def _assets(catalogue: Catalogue, *, state: VideoState | None, wanted: AssetFilter) -> list[Asset]:
    if state is None:
        return list(catalogue.assets(wanted))
    internal = [one for one in AssetState if API_NAMES[one] == state]
    pages = [catalogue.assets(replace(wanted, state=one)) for one in internal]
    return list(islice(heapq.merge(*pages, key=lambda asset: asset.asset_id), wanted.limit))


def _summary(catalogue: Catalogue, asset: Asset) -> VideoSummary:
    reason = asset.reason if asset.reason is None or asset.reason in REASONS else "other"
    return VideoSummary(
        id=asset.asset_id,
        subject=asset.subject_id,
        state=VideoState(API_NAMES[asset.state]),
        internal_state=asset.state,
        reason=reason,
        reason_text=explain(reason),
        progress=_progress(catalogue, asset),
        policy=PolicyAnswer(name=asset.policy.name, digest=asset.policy.digest),
        size_bytes=asset.size_bytes,
        created_at=asset.created_at,
        updated_at=asset.updated_at,
    )


def _progress(catalogue: Catalogue, asset: Asset) -> float:
    if API_NAMES[asset.state] == "completed":
        return 1.0  # spares three queries for most rows of a list
    items, chunks = catalogue.work_items(asset.asset_id), catalogue.chunks(asset.asset_id)
    return asset_progress(asset.state, items, chunks, _stored_chunks(catalogue, asset))


def _stored_chunks(catalogue: Catalogue, asset: Asset) -> frozenset[int]:
    stored = catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.CHUNK)
    return frozenset(artefact.chunk for artefact in stored)


def _chunk(chunk: Chunk, stored: frozenset[int]) -> ChunkAnswer:
    return ChunkAnswer(
        index=chunk.index, start_frame=chunk.span.start, end_frame=chunk.span.end, masked=chunk.index in stored
    )
