"""How the preview is made of one masked file and put where a person asked for it, readable by nobody else."""

from __future__ import annotations

import os
from pathlib import Path

from opendrape.adapters.private_files import create_private
from opendrape.domain.media_info import MediaInfo
from opendrape.errors import BlobConflict
from opendrape.media.child import run_child
from opendrape.settings import Settings
from opendrape_masker.children import child_limits, limits_of
from opendrape_masker.preview.orders import PreviewOrder, PreviewWish


def make_preview(
    wish: PreviewWish,
    *,
    settings: Settings,
    source: int,
    masked: Path,
    media: MediaInfo,
    timeline: Path,
    evidence: tuple[Path, ...],
    folder: Path,
) -> None:
    """Draw in a child, then write ``wish.path`` with mode 0600. ``BlobConflict`` when something is there already.

    ``source`` is handed to the child only when the pictures before masking are wanted.
    """
    descriptor = os.open(masked, os.O_RDONLY | os.O_CLOEXEC)
    try:
        order = PreviewOrder(
            masked=descriptor,
            source=source if wish.with_originals else None,
            media=media,
            timeline=timeline,
            evidence=evidence,
            limits=limits_of(settings),
            threads=settings.masker_threads,
            folder=folder,
        )
        run_child(
            "opendrape_masker.preview.preview_child",
            order.model_dump(mode="json"),
            pass_descriptors=(descriptor, *([source] if wish.with_originals else [])),
            limits=child_limits(settings, folder, (timeline, *evidence)),
        )
    finally:
        os.close(descriptor)
    if not create_private(wish.path.absolute(), order.sheet.read_bytes()):
        raise BlobConflict("the preview is already there; name another file")
