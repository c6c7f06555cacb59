"""How one file is masked without a catalogue: the same children, checks and rules, one output, written once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.domain.body_review import check_nothing_awaits_review
from opendrape.domain.media_info import STILL_ENDINGS, MediaInfo
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion, MaskReport
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import MediaRefused, PermanentError
from opendrape.media.probing import Probed, probe_in_child
from opendrape.settings import Settings
from opendrape_masker.children import run_assemble_child, run_mask_child, scratch_folder
from opendrape_masker.orders import AssembleAnswer, MaskAnswer
from opendrape_masker.preview.making import make_preview
from opendrape_masker.preview.orders import PreviewWish
from opendrape_masker.reports import summed

_OTHER_ENDINGS: Final = MappingProxyType({"jpeg": (".jpeg",), "tiff": (".tiff",)})


def mask_file(
    source: Path,
    output: Path,
    *,
    policy: Policy,
    settings: Settings,
    regions: tuple[MarkedRegion, ...] = (),
    confirmed: tuple[ConfirmedInterval, ...] = (),
    on_progress: Callable[[float], None] = lambda _share: None,
    preview: PreviewWish | None = None,
    on_masked: Callable[[MaskReport], None] = lambda _report: None,
) -> MaskReport:
    """Mask ``source`` into ``output``: MP4, or a picture of its family; only after every check passed.

    A ``preview`` is drawn from the finished file; ``on_masked`` gets the report before anything is held back.

    Raises the error tree's errors: ``MediaRefused``, ``FidelityBroken``, ``ResidualFound``, ``UncertainOutOfBody``,
    ``BlobConflict`` when ``output`` exists with other content.
    """
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MediaRefused("the source cannot be opened", reason="source_unreadable") from error
    try:
        return _mask_open(descriptor, output, policy, settings, regions, confirmed, on_progress, preview, on_masked)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class _Work:
    """One open file in a scratch folder of its own."""

    descriptor: int
    probed: Probed
    folder: Path
    timeline: Path
    policy: Policy
    settings: Settings

    @property
    def spans(self) -> Sequence[FrameSpan]:
        return self.probed.timeline.chunks(self.policy.chunk_seconds)

    def masked(
        self,
        regions: tuple[MarkedRegion, ...],
        confirmed: tuple[ConfirmedInterval, ...],
        on_progress: Callable[[float], None],
    ) -> list[MaskAnswer]:
        """Every piece, one after another."""
        frames = len(self.probed.timeline)
        return [
            run_mask_child(
                self.settings,
                descriptor=self.descriptor,
                media=self.probed.media,
                timeline=self.timeline,
                span=span,
                policy=self.policy,
                folder=_sub_folder(self.folder, number),
                regions=regions,
                confirmed=confirmed,
                on_progress=lambda share, span=span: on_progress(_done(span, share, frames)),  # type: ignore[misc]
            )
            for number, span in enumerate(self.spans)
        ]

    def joined(self, pieces: Sequence[MaskAnswer], on_progress: Callable[[float], None]) -> AssembleAnswer:
        """One file of all pieces."""
        return run_assemble_child(
            self.settings,
            chunks=tuple(piece.path for piece in pieces),
            media=self.probed.media,
            timeline=self.timeline,
            folder=self.folder,
            on_progress=lambda _share: on_progress(1.0),
            audio=self.policy.audio,
            descriptor=self.descriptor,
        )

    def show(self, wish: PreviewWish, pieces: Sequence[MaskAnswer], masked: Path) -> None:
        """The contact sheet, from the finished file."""
        make_preview(
            wish,
            settings=self.settings,
            source=self.descriptor,
            masked=masked,
            media=self.probed.media,
            timeline=self.timeline,
            evidence=tuple(piece.evidence for piece in pieces),
            folder=_sub_folder(self.folder, len(self.spans)),
        )


def _mask_open(
    descriptor: int,
    output: Path,
    policy: Policy,
    settings: Settings,
    regions: tuple[MarkedRegion, ...],
    confirmed: tuple[ConfirmedInterval, ...],
    on_progress: Callable[[float], None],
    preview: PreviewWish | None,
    on_masked: Callable[[MaskReport], None],
) -> MaskReport:
    probed = probe_in_child(descriptor, settings)
    if probed.media.is_still:
        _check_still(output, probed.media, preview)
    destination = LocalBlobStore(output.parent.absolute())
    with scratch_folder(settings) as folder:
        work = _Work(descriptor, probed, folder, _stored(probed.timeline, folder), policy, settings)
        pieces = work.masked(regions, confirmed, on_progress)
        report = summed([piece.report for piece in pieces])
        on_masked(report)
        check_nothing_awaits_review(report, policy)
        if probed.media.is_still:
            (piece,) = pieces
            destination.put(output.name, piece.path, sha256=piece.sha256)
            return report
        joined = work.joined(pieces, on_progress)
        destination.put(output.name, joined.path, sha256=joined.sha256)
        if preview is not None:
            work.show(preview, pieces, joined.path)
    return report.model_copy(update={"sound": joined.sound})


def _check_still(output: Path, media: MediaInfo, preview: PreviewWish | None) -> None:
    """A picture stays of its family, whatever the output is called, and needs no contact sheet."""
    if preview is not None:
        raise PermanentError(
            "a contact sheet is for videos; a masked picture shows itself", reason="preview_of_picture"
        )
    wanted = STILL_ENDINGS[media.container]
    if output.suffix.lower() not in (wanted, *_OTHER_ENDINGS.get(media.container, ())):
        raise PermanentError(f"the picture stays what it is: name the output *{wanted}", reason="output_ending")


def _stored(timeline: Timeline, folder: Path) -> Path:
    path = folder / "timeline.bin"
    path.write_bytes(timeline.to_bytes())
    return path


def _sub_folder(folder: Path, number: int) -> Path:
    piece = folder / f"{number:05d}"
    piece.mkdir()
    return piece


def _done(span: FrameSpan, share: float, frames: int) -> float:
    return (span.start + share * len(span)) / frames
