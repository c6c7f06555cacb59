"""Which intermediate results may go, and how do they go without losing anything when the process is killed?"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import groupby
from pathlib import PurePosixPath

from opendrape.domain.work import Artefact
from opendrape.errors import IllegalTransition, TransientError
from opendrape.ledger.events import OnEvent, log_event
from opendrape.ports.blobs import BlobEntry, BlobStore
from opendrape.ports.catalogue import Catalogue

FOLDERS = ("chunks/", "masked/", "timelines/")
"""Work blobs that are named ``FOLDER/ASSET...`` and that the catalogue refers to while they are needed."""

ACTOR = "tidier"


class Tidier:
    """Removes chunks and masked files once their video is delivered: the catalogue forgets them first, then the bytes
    go. Killed in between, bytes are left that nobody refers to; ``sweep_orphans`` at the next start takes them.
    """

    def __init__(
        self, catalogue: Catalogue, work_blobs: BlobStore, *, every_seconds: float, on_event: OnEvent = log_event
    ) -> None:
        self._catalogue = catalogue
        self._blobs = work_blobs
        self._every_seconds = every_seconds
        self._on_event = on_event

    def run(self, stop: threading.Event) -> None:
        """Tidy until ``stop`` is set. A catalogue or storage that does not answer is asked again later."""
        while not stop.wait(self._every_seconds):
            try:
                self.tidy()
            except TransientError as error:
                self._on_event("tidying_postponed", {"exc_info": error})

    def tidy(self) -> int:
        """Remove what delivery has spent; how many blobs. ``CatalogueUnavailable`` and ``StorageUnavailable`` pass."""
        removed = 0
        for spent in self._catalogue.spent():
            try:
                removed += drop_results(self._catalogue, self._blobs, spent.asset_id, spent.policy_digest, actor=ACTOR)
            except IllegalTransition:  # on its way again since it was listed
                continue
        return removed

    def sweep_orphans(self) -> int:
        """Remove work blobs that no row refers to; how many. Only while no worker lives: a result is stored before its
        row is written.
        """
        removed = 0
        for folder in FOLDERS:
            for asset_id, blobs in groupby(self._blobs.list(folder), _asset_of):
                known = self._catalogue.artefact_names(asset_id)
                removed += _delete(self._blobs, [blob.name for blob in blobs if blob.name not in known])
        if removed:
            self._on_event("orphans_removed", {"count": removed})
        return removed


def drop_results(catalogue: Catalogue, blobs: BlobStore, asset_id: str, policy_digest: str, *, actor: str) -> int:
    """Forget chunks and masked file of one asset and policy, then delete their bytes; how many blobs.

    ``IllegalTransition`` while anybody works on them.
    """
    forgotten: Iterable[Artefact] = catalogue.forget_results(asset_id, policy_digest, actor=actor)
    # Asked again: a new journey may have stored the same bytes under the same name meanwhile.
    needed = catalogue.artefact_names(asset_id)
    return _delete(blobs, [artefact.name for artefact in forgotten if artefact.name not in needed])


def _delete(blobs: BlobStore, names: list[str]) -> int:
    for name in names:
        blobs.delete(name)
    return len(names)


def _asset_of(blob: BlobEntry) -> str:
    """``chunks/ASSET/POLICY/00001-DIGEST``, ``masked/ASSET/POLICY-DIGEST.mp4``, ``timelines/ASSET.bin``."""
    return PurePosixPath(blob.name).parts[1].removesuffix(".bin")
