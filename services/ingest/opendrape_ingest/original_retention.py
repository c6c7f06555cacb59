"""Which uploaded originals are old enough to go: those whose video was delivered long ago (D-05); none by default.

What was brought by a watched folder or is a blob of the site's own is the site's: only uploads lie with us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from opendrape.adapters.upload_folder import UploadFolder
from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import AssetState
from opendrape.errors import NotFound
from opendrape.logging import get_log
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap
from opendrape_ingest.register import ACTOR

_OUT: Final = frozenset({AssetState.DELIVERED, AssetState.ARCHIVED, AssetState.DELETED})
_log = get_log("ingest")


@dataclass(frozen=True)
class OriginalRetention:
    """Removes the bytes ``days`` after the last change of a delivered video; 0: never. The identity map keeps the name.

    Safe to run anywhere, any number of times: what is masked again, failed or waits for a person keeps its original.
    """

    catalogue: Catalogue
    key_map: KeyMap
    folder: UploadFolder
    clock: Clock
    days: int

    def sweep(self) -> int:
        """Remove what is due; returns how many files went. Each is in the audit before it goes."""
        if self.days <= 0:
            return 0
        due = [(name, asset_id) for name in self.folder.names() if (asset_id := self._delivered_long_ago(name))]
        for name, asset_id in due:
            event = AuditEvent(actor=ACTOR, action="upload.original_removed", object_id=asset_id, at=self.clock.now())
            self.catalogue.append_audit(event)
            self.folder.remove(name)
            _log.info("original_removed", asset_id=asset_id)
        return len(due)

    def _delivered_long_ago(self, name: str) -> str | None:
        """The asset whose original this is, when it may go; an upload that nobody has taken up yet has none."""
        known = self.key_map.known_source(str(self.folder.path(name)))
        if known is None:
            return None
        try:
            asset = self.catalogue.asset(known[0])
        except NotFound:
            return None
        is_due = asset.state in _OUT and asset.updated_at < self.clock.now() - timedelta(days=self.days)
        return asset.asset_id if is_due else None
