"""How does a masker get the times that a video was planned with, although the stored ones may be damaged or gone?"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from opendrape.adapters.store_folders import storage_errors
from opendrape.domain.work import Artefact, ArtefactKind, Lease
from opendrape.errors import NotFound, PermanentError, StorageUnavailable
from opendrape.ledger.worker import Progress
from opendrape.logging import get_log
from opendrape.media.probing import probe_in_child
from opendrape.ports.blobs import BlobStore
from opendrape_masker.digests import digest_file
from opendrape_masker.parts import MaskerParts
from opendrape_masker.stored_results import put_result

_log = get_log("masker")


def timeline_here(parts: MaskerParts, lease: Lease, folder: Path, progress: Progress) -> Path:
    """A copy of the planned timeline in ``folder``, bit for bit what the catalogue knows.

    One that is damaged or gone is made again from the original, and the store gets it back. ``PermanentError`` with
    ``timeline_damaged`` when the original does not give the same bytes any more: trying again plans anew.
    """
    planned = parts.catalogue.artefacts(lease.asset_id, lease.policy.digest, ArtefactKind.TIMELINE)[0]
    here = folder / "timeline.bin"
    if not _is_copied(parts.work_blobs, planned, here):
        _make_again(parts, lease.asset_id, planned, here, progress)
    return here


def _is_copied(store: BlobStore, planned: Artefact, here: Path) -> bool:
    try:
        with store.local_path(planned.name) as stored, storage_errors():
            shutil.copyfile(stored, here)
    except NotFound:
        return False
    except StorageUnavailable as error:
        if error.reason != "read_back_differs":
            raise
        return False
    with storage_errors():
        return digest_file(here).sha256 == planned.sha256


def _make_again(parts: MaskerParts, asset_id: str, planned: Artefact, here: Path, progress: Progress) -> None:
    with parts.sources.open(asset_id) as source:
        probed = probe_in_child(source.descriptor, parts.settings, on_idle=lambda: progress(0.0))
    packed = probed.timeline.to_bytes()
    if hashlib.sha256(packed).hexdigest() != planned.sha256:
        parts.sources.verify_digest(asset_id, parts.catalogue.asset(asset_id).content_sha256)
        raise PermanentError("the stored timeline changed and does not come out again", reason="timeline_damaged")
    with storage_errors():
        here.write_bytes(packed)
    put_result(parts.work_blobs, planned.name, here, sha256=planned.sha256)
    _log.warning("timeline_made_again", asset_id=asset_id)
