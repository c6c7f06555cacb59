"""Which blobs at the destination may go: those that nobody refers to, and those kept long enough (D-05, I-08)?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import ASSET_TERMINAL, AssetState
from opendrape.domain.work import ArtefactKind, Asset
from opendrape.errors import NotFound, PermanentError
from opendrape.ports.blobs import BlobEntry, BlobStore
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape_uploader.stored import every_asset

# ASSET/ASSET_POLICY-DIGEST.mp4 or .receipt.json: what this uploader writes, and nothing else
_OURS: Final = re.compile(
    r"(?P<asset>[A-Za-z0-9-]+)/(?P=asset)_[A-Za-z0-9._-]+?(\.receipt\.json|\.mp4|\.jpg|\.png|\.webp|\.tif)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Orphans:
    """``removable`` have our form and no row refers to them; ``foreign`` have another form and are never touched."""

    removable: tuple[BlobEntry, ...]
    foreign: tuple[BlobEntry, ...]
    referred: int


def find_orphans(catalogue: Catalogue, destination: BlobStore) -> Orphans:
    """Compare a whole listing with the catalogue. Blobs of an asset that is on its way are neither."""
    removable, foreign, referred = [], [], 0
    for entry in destination.list():
        found = _OURS.fullmatch(entry.name)
        if found is None:
            foreign.append(entry)
        elif _is_needed(catalogue, found["asset"], entry.name):
            referred += 1
        else:
            removable.append(entry)
    return Orphans(tuple(removable), tuple(foreign), referred)


def _is_needed(catalogue: Catalogue, asset_id: str, name: str) -> bool:
    try:
        on_its_way = catalogue.asset(asset_id).state not in ASSET_TERMINAL
    except NotFound:
        return False
    return on_its_way or name in catalogue.artefact_names(asset_id)


@dataclass(frozen=True)
class CleanUp:
    """Removes blobs and says so in the audit. ``actor`` is who asked for it."""

    catalogue: Catalogue
    destination: BlobStore
    clock: Clock
    actor: str

    def refuse_unless_proven(self, orphans: Orphans, *, at_most: int) -> None:
        """``PermanentError`` (``cleanup_refused``) unless catalogue and destination prove to belong together.

        At least one blob must be one that the catalogue knows: an empty or another state folder would make everything
        an orphan. More than ``at_most`` at once, or more than what stays, is a mistake until a person says otherwise.
        """
        count = len(orphans.removable)
        if count and orphans.referred == 0:
            raise PermanentError(
                "the catalogue knows no blob of this destination: is it the right one?", reason="cleanup_refused"
            )
        if count > at_most or count > orphans.referred:
            raise PermanentError(
                f"{count} blobs would go, {orphans.referred} would stay: look first, then raise --at-most",
                reason="cleanup_refused",
            )

    def remove(self, orphans: Orphans) -> int:
        """Remove them, one by one, each asked for again just before."""
        removed = 0
        for entry in orphans.removable:
            asset_id = entry.name.partition("/")[0]
            if _is_needed(self.catalogue, asset_id, entry.name):
                continue
            self._record("blob.orphan_removed", asset_id, entry)
            self.destination.delete(entry.name)
            removed += 1
        return removed

    def _record(self, action: str, asset_id: str, entry: BlobEntry) -> None:
        facts: dict[str, str | int] = {"blob": entry.name, "size_bytes": entry.size_bytes}
        self.catalogue.append_audit(
            AuditEvent(actor=self.actor, action=action, object_id=asset_id, at=self.clock.now(), facts=facts)
        )


@dataclass(frozen=True)
class Retention:
    """Takes outputs away that were delivered more than ``days`` ago. Receipts and rows stay: they prove what was."""

    catalogue: Catalogue
    destination: BlobStore
    clock: Clock
    actor: str
    days: int

    def due(self) -> list[Asset]:
        """Delivered long enough ago, and those whose removal was interrupted."""
        if self.days <= 0:
            raise PermanentError("no retention is set", reason="retention_off")
        border: datetime = self.clock.now() - timedelta(days=self.days)
        return [asset for asset in every_asset(self.catalogue) if self._is_due(asset, border)]

    def _is_due(self, asset: Asset, border: datetime) -> bool:
        if asset.state is AssetState.DELIVERED:
            return asset.updated_at < border
        retired = asset.state in (AssetState.ARCHIVED, AssetState.DELETED)
        return retired and any(self.destination.exists(name) for name in self._outputs(asset))

    def take_away(self, asset: Asset, archive: BlobStore | None = None) -> None:
        """Copy the output to ``archive``, if given, verified; then the catalogue, then the bytes.

        Killed in between, the next call goes on: a state without its bytes gone is found again by ``due``.
        """
        if archive is not None:
            self._keep(asset, archive)
        if asset.state is AssetState.DELIVERED:
            after = AssetState.DELETED if archive is None else AssetState.ARCHIVED
            self.catalogue.retire(asset.asset_id, after, actor=self.actor)
        for name in self._outputs(asset):
            self.destination.delete(name)

    def _keep(self, asset: Asset, archive: BlobStore) -> None:
        """What is archived is what was published: another content is not taken, and then nothing goes."""
        for artefact in self.catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.PUBLISHED):
            if not self.destination.exists(artefact.name):
                if not archive.exists(artefact.name):
                    raise PermanentError("there is nothing to archive", reason="not_found")
            else:
                with self.destination.local_path(artefact.name) as path:
                    archive.put(artefact.name, path, sha256=artefact.sha256)

    def _outputs(self, asset: Asset) -> list[str]:
        found = self.catalogue.artefacts(asset.asset_id, asset.policy.digest, ArtefactKind.PUBLISHED)
        return [artefact.name for artefact in found]
