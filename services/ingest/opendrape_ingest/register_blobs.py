"""How does a video that lies in a container become an asset without being moved (I-01)?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from opendrape.domain.policy import PolicyRef
from opendrape.media.kinds import HEAD_BYTES, sniff
from opendrape.ports.catalogue import Catalogue, NewAsset
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape.ports.originals import Original, Originals
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.register import ACTOR
from opendrape_ingest.result import Status


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
    originals: Originals
    policy: PolicyRef
    record_number: RecordNumberRule
    _seen: set[str] = field(default_factory=set)

    def take_in(self, original: Original) -> TakenIn:
        """Digest (only when this version is not known yet), pseudonym, source record, ledger row."""
        record = self._record(original)
        asset_id = self.key_map.find_asset(record.content_sha256) or self.key_map.asset_pseudonym(
            record.content_sha256, is_picture=sniff(self.originals.head(original, HEAD_BYTES)).is_still
        )
        subject_id = self.key_map.subject_pseudonym(record.record_number) if record.record_number else None
        if self.key_map.known_source(record.path) != (asset_id, record):
            self.key_map.remember_source(asset_id, record, subject_id=subject_id)
        new = NewAsset(asset_id, subject_id, record.content_sha256, record.size_bytes, self.policy)
        accepted = self.catalogue.register(new, actor=ACTOR).accepted
        if asset_id in self._seen:
            return TakenIn(asset_id, Status.DUPLICATE)
        self._seen.add(asset_id)
        return TakenIn(asset_id, Status.NEW if accepted else Status.KNOWN)

    def _record(self, original: Original) -> SourceRecord:
        remembered = self.key_map.known_source(original.path)
        same = (original.size_bytes, original.version)
        if remembered is not None and (remembered[1].size_bytes, remembered[1].mtime_ns) == same:
            return remembered[1]
        return SourceRecord(
            path=original.path,
            size_bytes=original.size_bytes,
            mtime_ns=original.version,
            content_sha256=self.originals.sha256(original),
            record_number=self.record_number.find(PurePosixPath(original.name)),
        )
