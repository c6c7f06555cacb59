"""How does a content get its pseudonyms and its place in the ledger, once, whatever it is called (I-04, P-01, P-03)?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath

from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import ASSET_TERMINAL
from opendrape.errors import NotFound
from opendrape.ports.catalogue import Catalogue, NewAsset
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape_ingest.discover import Found
from opendrape_ingest.recognise import holds_picture
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.result import ScannedFile, Status

ACTOR = "ingest"


@dataclass
class Register:
    """Registers contents of one scan under one policy; remembers which it has seen."""

    catalogue: Catalogue
    key_map: KeyMap
    policy: PolicyRef
    record_number: RecordNumberRule
    root: Path
    _first: dict[str, Path] = field(default_factory=dict)

    def known_digest(self, found: Found) -> str | None:
        """The digest remembered for this very file, while size and modification time are what they were."""
        return _remembered_digest(self.key_map, self.root, found)

    def take_in(self, found: Found, content_sha256: str, *, original_name: str | None = None) -> ScannedFile:
        """Pseudonyms, source record and ledger row, in this order: a crash between two is mended by the next scan.

        ``original_name``: what an uploaded file was called; the record number is looked for there then.
        """
        path = self.root / found.relative
        asset_id = self.key_map.find_asset(content_sha256) or self.key_map.asset_pseudonym(
            content_sha256, is_picture=holds_picture(self.root, found.relative)
        )
        record_number = self.record_number.find(PurePath(original_name) if original_name else found.relative)
        subject_id = self.key_map.subject_pseudonym(record_number) if record_number else None
        record = SourceRecord(
            path=str(path),
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            content_sha256=content_sha256,
            record_number=record_number,
            original_name=original_name,
        )
        if self.key_map.known_source(record.path) != (asset_id, record):
            self.key_map.remember_source(asset_id, record, subject_id=subject_id)
        new = NewAsset(
            asset_id=asset_id,
            subject_id=subject_id,
            content_sha256=content_sha256,
            size_bytes=found.size_bytes,
            policy=self.policy,
        )
        accepted = self.catalogue.register(new, actor=ACTOR).accepted
        return _settled(self._first, found, path, (asset_id, asset_id), is_new=accepted)


@dataclass
class Preview:
    """The same questions, with nothing written anywhere (I-07). Without a catalogue or map, nothing is known yet."""

    catalogue: Catalogue | None
    key_map: KeyMap | None
    policy: PolicyRef
    root: Path
    _first: dict[str, Path] = field(default_factory=dict)

    def known_digest(self, found: Found) -> str | None:
        """As :meth:`Register.known_digest`."""
        return _remembered_digest(self.key_map, self.root, found) if self.key_map else None

    def take_in(self, found: Found, content_sha256: str) -> ScannedFile:
        """What :meth:`Register.take_in` would say."""
        asset_id = self.key_map.find_asset(content_sha256) if self.key_map else None
        is_new = asset_id is None or self._would_accept(asset_id)
        path = self.root / found.relative
        return _settled(self._first, found, path, (content_sha256, asset_id), is_new=is_new)

    def _would_accept(self, asset_id: str) -> bool:
        if self.catalogue is None:
            return True
        try:
            asset = self.catalogue.asset(asset_id)
        except NotFound:
            return True
        return asset.policy != self.policy and asset.state in ASSET_TERMINAL


def _remembered_digest(key_map: KeyMap, root: Path, found: Found) -> str | None:
    remembered = key_map.known_source(str(root / found.relative))
    if remembered is None:
        return None
    _, record = remembered
    same = (record.size_bytes, record.mtime_ns) == (found.size_bytes, found.mtime_ns)
    return record.content_sha256 if same else None


def _settled(
    first: dict[str, Path], found: Found, path: Path, identity: tuple[str, str | None], *, is_new: bool
) -> ScannedFile:
    """The first file of a content in a scan is new or known; the others are its duplicates."""
    content, asset_id = identity
    original = first.setdefault(content, path)
    if original != path:
        return ScannedFile(path, Status.DUPLICATE, "same_content", asset_id, found.size_bytes, duplicate_of=original)
    status = Status.NEW if is_new else Status.KNOWN
    return ScannedFile(path, status, "", asset_id, found.size_bytes)
