"""What the masker does with its work items: mask a chunk, assemble a video, pack single frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from opendrape.domain.body_review import check_nothing_awaits_review
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MaskReport
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, Chunk, ChunkMasked, Lease, Outcome, WorkKind
from opendrape.errors import MediaRefused, PermanentError
from opendrape.ledger.worker import Progress
from opendrape.media.stills.removed import removed_from_still
from opendrape_masker.children import run_assemble_child, run_mask_child, scratch_folder
from opendrape_masker.frames.handling import FrameExport
from opendrape_masker.parts import MaskerParts
from opendrape_masker.reports import summed
from opendrape_masker.stored_results import blaming_damaged_chunks, opened_chunk, put_result
from opendrape_masker.stored_timeline import timeline_here


@dataclass(frozen=True)
class MaskHandler:
    """Masks chunks and assembles videos. Idempotent: results are named by content and written once."""

    parts: MaskerParts
    kinds = frozenset({WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.FRAMES})

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        """Do the leased item and return its outcome."""
        if lease.kind is WorkKind.FRAMES:
            return FrameExport(self.parts).handle(lease, progress)
        return self._mask(lease, progress) if lease.kind is WorkKind.MASK else self._assemble(lease, progress)

    def _mask(self, lease: Lease, progress: Progress) -> ChunkMasked:
        policy = self.parts.policies.by_reference(lease.policy)
        with (
            scratch_folder(self.parts.settings) as folder,
            self.parts.sources.open(lease.asset_id) as source,
        ):
            with self._blaming_a_changed_source(lease):
                answer = run_mask_child(
                    self.parts.settings,
                    descriptor=source.descriptor,
                    media=self._media(lease),
                    timeline=timeline_here(self.parts, lease, folder, progress),
                    span=self._chunk(lease).span,
                    policy=policy,
                    folder=folder,
                    regions=policy.marked,
                    on_progress=progress,
                )
            name = f"chunks/{lease.asset_id}/{lease.policy.label}/{lease.chunk:05d}-{answer.sha256[:16]}"
            stored = put_result(self.parts.work_blobs, name, answer.path, sha256=answer.sha256)
        artefact = Artefact(ArtefactKind.CHUNK, stored.name, stored.sha256, stored.size_bytes, lease.chunk)
        return ChunkMasked(artefact=artefact, report=answer.report)

    @contextmanager
    def _blaming_a_changed_source(self, lease: Lease) -> Iterator[None]:
        """The probe could read the whole file: what cannot be read now was changed since, most likely."""
        try:
            yield
        except MediaRefused:
            self._verify_source(lease)
            raise

    def _verify_source(self, lease: Lease) -> None:
        self.parts.sources.verify_digest(lease.asset_id, self.parts.catalogue.asset(lease.asset_id).content_sha256)

    def _assemble(self, lease: Lease, progress: Progress) -> Assembled:
        if self._media(lease).is_still:
            return self._take_over_picture(lease)
        return self._join(lease, progress)

    def _take_over_picture(self, lease: Lease) -> Assembled:
        """A picture is one piece: the file that was checked when it was masked, byte for byte."""
        (chunk,), report, media = self._planned_chunks(lease), self._reviewed(lease), self._media(lease)
        with opened_chunk(self.parts.work_blobs, chunk) as path:
            with blaming_damaged_chunks(self.parts.work_blobs, [chunk], [path]):
                self._verify_source(lease)
            name = f"masked/{lease.asset_id}/{lease.policy.label}-{chunk.sha256[:16]}{media.output_ending}"
            blob = put_result(self.parts.work_blobs, name, path, sha256=chunk.sha256)
        artefact = Artefact(ArtefactKind.MASKED, blob.name, blob.sha256, blob.size_bytes)
        return Assembled(artefact=artefact, md5=blob.md5, report=report, scrub=removed_from_still(media))

    def _join(self, lease: Lease, progress: Progress) -> Assembled:
        chunks, masked = self._planned_chunks(lease), self._reviewed(lease)
        with ExitStack() as open_files:
            folder = open_files.enter_context(scratch_folder(self.parts.settings))
            timeline = timeline_here(self.parts, lease, folder, progress)
            paths = tuple(open_files.enter_context(opened_chunk(self.parts.work_blobs, chunk)) for chunk in chunks)
            policy = self.parts.policies.by_reference(lease.policy)
            with blaming_damaged_chunks(self.parts.work_blobs, chunks, paths):
                answer = run_assemble_child(
                    self.parts.settings,
                    chunks=paths,
                    media=self._media(lease),
                    timeline=timeline,
                    folder=folder,
                    on_progress=progress,
                    audio=policy.audio,
                    descriptor=self._source_of_sound(lease, policy, open_files),
                )
            self._verify_source(lease)
            progress(0.9)
            name = f"masked/{lease.asset_id}/{lease.policy.label}-{answer.sha256[:16]}.mp4"
            blob = put_result(self.parts.work_blobs, name, answer.path, sha256=answer.sha256)
        report = masked.model_copy(update={"sound": answer.sound})
        artefact = Artefact(ArtefactKind.MASKED, blob.name, blob.sha256, blob.size_bytes)
        return Assembled(artefact=artefact, md5=blob.md5, report=report, scrub=answer.scrub)

    def _reviewed(self, lease: Lease) -> MaskReport:
        """What masking did. ``UncertainOutOfBody`` while a person must say where it was; then nothing is joined."""
        report = summed(self.parts.catalogue.chunk_reports(lease.asset_id, lease.policy.digest))
        check_nothing_awaits_review(report, self.parts.policies.by_reference(lease.policy))
        return report

    def _source_of_sound(self, lease: Lease, policy: Policy, open_files: ExitStack) -> int | None:
        if policy.audio.mode == "drop":
            return None
        return open_files.enter_context(self.parts.sources.open(lease.asset_id)).descriptor

    def _planned_chunks(self, lease: Lease) -> list[Artefact]:
        """Every chunk's artefact in order."""
        stored = list(self.parts.catalogue.artefacts(lease.asset_id, lease.policy.digest, ArtefactKind.CHUNK))
        planned = [chunk.index for chunk in self.parts.catalogue.chunks(lease.asset_id)]
        if [artefact.chunk for artefact in stored] != planned:
            raise PermanentError("a chunk is missing", reason="chunk_missing")
        return stored

    def _media(self, lease: Lease) -> MediaInfo:
        media = self.parts.catalogue.media_info(lease.asset_id)
        if media is None:
            raise PermanentError("the asset was never probed", reason="not_planned")
        return media

    def _chunk(self, lease: Lease) -> Chunk:
        return self.parts.catalogue.chunks(lease.asset_id)[lease.chunk]
