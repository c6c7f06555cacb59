"""How does a video that lies in a container become an asset without being moved (I-01)?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opendrape.domain.policy import PolicyRef
from opendrape.media.kinds import HEAD_BYTES, sniff
from opendrape.ports.catalogue import Catalogue, NewAsset
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape_ingest.register import ACTOR
from opendrape_ingest.result import Status

if TYPE_CHECKING:
    from opendrape.adapters.azure_blobs.sources import RawBlob, RawContainer


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of one blob: new, known, or the same content as one before."""

    asset_id: str
    status: Status

    def as_json(self) -> dict[str, str]:
        """Pseudonym and status; no name."""
        return {"asset": self.asset_id, "status": str(self.status)}


@dataclass
class RegisterBlobs:
    """Registers blobs under one policy. A crash between two steps is mended by the next call for the same blob."""

    catalogue: Catalogue
    key_map: KeyMap
    raw: RawContainer
    policy: PolicyRef
    _seen: set[str] = field(default_factory=set)

    def take_in(self, name: str) -> TakenIn:
        """Digest (only when this version is not known yet), pseudonym, source record, ledger row."""
        blob = self.raw.look(name)
        record = self._record(name, blob)
        asset_id = self.key_map.find_asset(record.content_sha256) or self.key_map.asset_pseudonym(
            record.content_sha256, is_picture=sniff(self.raw.first_bytes(blob, HEAD_BYTES)).is_still
        )
        if self.key_map.known_source(record.path) != (asset_id, record):
            self.key_map.remember_source(asset_id, record)
        new = NewAsset(asset_id, None, record.content_sha256, record.size_bytes, self.policy)
        accepted = self.catalogue.register(new, actor=ACTOR).accepted
        if asset_id in self._seen:
            return TakenIn(asset_id, Status.DUPLICATE)
        self._seen.add(asset_id)
        return TakenIn(asset_id, Status.NEW if accepted else Status.KNOWN)

    def _record(self, name: str, blob: RawBlob) -> SourceRecord:
        path, size, version = self.raw.path_of(name), blob.facts.size_bytes, self.raw.stamp(blob)
        remembered = self.key_map.known_source(path)
        if remembered is not None and (remembered[1].size_bytes, remembered[1].mtime_ns) == (size, version):
            return remembered[1]
        return SourceRecord(path=path, size_bytes=size, mtime_ns=version, content_sha256=self.raw.sha256(blob))
