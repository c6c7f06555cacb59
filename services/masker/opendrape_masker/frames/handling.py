"""How a request for frames is worked off: masked frames from where they are already, else masked now, then pictures."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opendrape.domain.frames import FrameRequest, frames_of
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy
from opendrape.domain.states import AssetState
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.domain.work import Artefact, ArtefactKind, FramesPacked, Lease
from opendrape.errors import NotFound, PermanentError
from opendrape.ledger.worker import Progress
from opendrape.media.child import run_child
from opendrape_masker.children import child_limits, limits_of, run_mask_child, scratch_folder
from opendrape_masker.frames.orders import FramesAnswer, FramesOrder, Piece, WantedSegment
from opendrape_masker.orders import read_timeline
from opendrape_masker.parts import MaskerParts
from opendrape_masker.stored_timeline import timeline_here

_FINISHED: Final = frozenset({AssetState.DELIVERING, AssetState.DELIVERED, AssetState.ARCHIVED})
_MASKING_SHARE: Final = 0.85


@dataclass(frozen=True)
class FrameExport:
    """Idempotent: the ZIP is named by its content and written once."""

    parts: MaskerParts

    def handle(self, lease: Lease, progress: Progress) -> FramesPacked:
        """Make the request's ZIP. ``ResidualFound`` when the second look at what was masked finds something."""
        request = self.parts.frames.of_item(lease.chunk)
        with ExitStack() as open_files:
            folder = open_files.enter_context(scratch_folder(self.parts.settings))
            job = _Job(self.parts, lease, request, folder, open_files, progress)
            answer = job.run()
            name = f"frames/{lease.asset_id}/{request.request_id}-{answer.sha256[:16]}.zip"
            stored = self.parts.work_blobs.put(name, answer.path, sha256=answer.sha256)
        return FramesPacked(
            name=stored.name, sha256=stored.sha256, size_bytes=stored.size_bytes, pictures=answer.pictures
        )


@dataclass
class _Job:
    """One attempt."""

    parts: MaskerParts
    lease: Lease
    request: FrameRequest
    folder: Path
    open_files: ExitStack
    progress: Progress

    def run(self) -> FramesAnswer:
        self.media = self._media()
        self.timeline_path = timeline_here(self.parts, self.lease, self.folder, self.progress)
        self.timeline = read_timeline(self.timeline_path)
        wanted = frames_of(self.request.segments)
        if wanted[-1].end > len(self.timeline):
            raise PermanentError("the frames are not within the video", reason="span_invalid")
        masked = self._finished_video()
        return self._export([masked] if masked else self._mask(wanted))

    def _media(self) -> MediaInfo:
        media = self.parts.catalogue.media_info(self.lease.asset_id)
        if media is None:
            raise PermanentError("the asset was never probed", reason="not_planned")
        return media

    # -- masked already ---------------------------------------------------------------------------------------------
    def _finished_video(self) -> Piece | None:
        """The whole masked video, when it passed every check under this very policy and its bytes are still those."""
        asset = self.parts.catalogue.asset(self.lease.asset_id)
        if asset.policy.digest != self.lease.policy.digest or asset.state not in _FINISHED:
            return None
        stored = self.parts.catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.MASKED)
        if not stored or not self._is_intact(stored[0]):
            return None
        path = self.open_files.enter_context(self.parts.work_blobs.local_path(stored[0].name))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.open_files.callback(os.close, descriptor)
        return Piece(start=0, end=len(self.timeline), descriptor=descriptor)

    def _is_intact(self, stored: Artefact) -> bool:
        try:
            return self.parts.work_blobs.digest(stored.name).sha256 == stored.sha256
        except NotFound:  # tidied since it was listed
            return False

    # -- masked now -------------------------------------------------------------------------------------------------
    def _mask(self, wanted: tuple[FrameSpan, ...]) -> list[Piece]:
        policy = self.parts.policies.by_reference(self.lease.policy)
        spans = spans_to_mask(self.timeline, policy, wanted)
        total, done, pieces = sum(map(len, spans)), 0, []
        with self._source() as descriptor:
            for number, span in enumerate(spans):
                below = self.folder / f"{number:05d}"
                below.mkdir()
                answer = run_mask_child(
                    self.parts.settings,
                    descriptor=descriptor,
                    media=self.media,
                    timeline=self.timeline_path,
                    span=span,
                    policy=policy,
                    regions=policy.marked,
                    folder=below,
                    on_progress=self._shared(0.0, _MASKING_SHARE, done, len(span), total),
                )
                done += len(span)
                pieces.append(Piece(start=span.start, end=span.end, path=answer.path))
        self._verify_source()
        return pieces

    @contextmanager
    def _source(self) -> Iterator[int]:
        with self.parts.sources.open(self.lease.asset_id) as source:
            yield source.descriptor

    def _verify_source(self) -> None:
        """What was masked is what was registered: a source that changed on the way delivers nothing."""
        registered = self.parts.catalogue.asset(self.lease.asset_id).content_sha256
        self.parts.sources.verify_digest(self.lease.asset_id, registered)

    def _shared(self, offset: float, share: float, done: int, own: int, total: int) -> Progress:
        return lambda fraction: self.progress(offset + share * (done + fraction * own) / total)

    # -- pictures ---------------------------------------------------------------------------------------------------
    def _export(self, pieces: list[Piece]) -> FramesAnswer:
        settings = self.parts.settings
        below = self.folder / "pictures"
        below.mkdir()
        order = FramesOrder(
            asset_id=self.lease.asset_id,
            policy=self.lease.policy.label,
            picture_format=self.request.picture_format,
            segments=tuple(WantedSegment.of(chosen) for chosen in self.request.segments),
            pieces=tuple(pieces),
            media=self.media,
            timeline=self.timeline_path,
            limits=limits_of(settings),
            threads=settings.masker_threads,
            folder=below,
        )
        readable = (self.timeline_path, *(piece.path for piece in pieces if piece.path))
        offset = _MASKING_SHARE if any(piece.path for piece in pieces) else 0.0
        tell, latest = self._shared(offset, 1.0 - offset, 0, 1, 1), [0.0]

        def hear(message: dict[str, float]) -> None:
            latest[0] = float(message.get("progress", latest[0]))
            tell(latest[0])

        answer = run_child(
            "opendrape_masker.frames.frames_child",
            order.model_dump(mode="json"),
            pass_descriptors=tuple(piece.descriptor for piece in pieces if piece.descriptor is not None),
            limits=child_limits(settings, below, readable),
            on_message=hear,
            on_idle=lambda: tell(latest[0]),
        )
        return FramesAnswer.model_validate(answer)


def spans_to_mask(timeline: Timeline, policy: Policy, wanted: tuple[FrameSpan, ...]) -> list[FrameSpan]:
    """What must be masked to get ``wanted``: whole groups of pictures, never across the seam of two chunks.

    A span of whole groups is masked as the same frames of the whole video are: detectors look at the same frames of the
    timeline, tracks are followed past both ends, and groups that need no mask are copied as they are.
    """
    starts = (*timeline.key_frames, len(timeline))
    spans: list[FrameSpan] = []
    for chunk in timeline.chunks(policy.chunk_seconds):
        for span in wanted:
            start, end = max(span.start, chunk.start), min(span.end, chunk.end)
            if start >= end:
                continue
            whole = FrameSpan(timeline.key_frame_at_or_before(start), starts[bisect_left(starts, end)])
            if spans and whole.start < spans[-1].end:
                spans[-1] = FrameSpan(spans[-1].start, max(spans[-1].end, whole.end))
            else:
                spans.append(whole)
    return spans
