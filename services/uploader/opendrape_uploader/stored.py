"""What lies at the destination, and is every byte of it what receipts and catalogue say? Reads all of it (D-05)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from opendrape.domain.states import AssetState
from opendrape.domain.work import Artefact, ArtefactKind, Asset
from opendrape.errors import NotFound
from opendrape.ports.blobs import BlobStore, StoredBlob
from opendrape.ports.catalogue import AssetFilter, Catalogue
from opendrape_uploader.receipt_keys import PublicKey
from opendrape_uploader.signed_receipt import NotAReceipt, read_signed

RECEIPT_ENDING: Final = ".receipt.json"
_LARGEST_RECEIPT_BYTES: Final = 64 * 2**20
_PAGE: Final = 500


class StoredVerdict(StrEnum):
    """What came of one blob."""

    INTACT = "intact"
    DAMAGED = "damaged"
    MISSING = "missing"
    RECEIPT_NOT_OURS = "receipt_not_ours"
    UNKNOWN = "unknown"

    @property
    def ok(self) -> bool:
        """True when nothing is to be done. A blob that nobody speaks of is told, not judged."""
        return self in (StoredVerdict.INTACT, StoredVerdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Checked:
    """One blob's verdict; ``sha256`` of the bytes as they are now, empty when they were not read."""

    name: str
    verdict: StoredVerdict
    sha256: str = ""


@dataclass
class StoredCheck:
    """Reads back everything at a destination; ``key`` is the receipts' signer."""

    destination: BlobStore
    catalogue: Catalogue
    key: PublicKey
    _expected: dict[str, str] = field(default_factory=dict)

    def run(self, prefix: str = "") -> Iterator[Checked]:
        """A verdict for every blob that is there or should be, under ``prefix``; each byte is read once."""
        self._expected = {}
        listed = [entry.name for entry in self.destination.list(prefix)]
        bad_receipts = {name for name in listed if name.endswith(RECEIPT_ENDING) and not self._believe(name)}
        for artefact in published(self.catalogue):
            # the catalogue's word counts for more than a receipt's
            self._expected[artefact.name] = artefact.sha256
        for name in listed:
            yield self._judge(name, is_bad_receipt=name in bad_receipts)
        retired = self._retired()
        for name in sorted(self._expected.keys() - set(listed)):
            if name.startswith(prefix) and name.partition("/")[0] not in retired:
                yield Checked(name, StoredVerdict.MISSING)

    def _judge(self, name: str, *, is_bad_receipt: bool) -> Checked:
        try:
            found = self.destination.digest(name)
        except NotFound:
            return Checked(name, StoredVerdict.MISSING)
        if is_bad_receipt:
            return Checked(name, StoredVerdict.RECEIPT_NOT_OURS, found.sha256)
        return Checked(name, self._verdict(found), found.sha256)

    def _verdict(self, found: StoredBlob) -> StoredVerdict:
        expected = self._expected.get(found.name)
        if expected is None:
            is_receipt = found.name.endswith(RECEIPT_ENDING)
            return StoredVerdict.INTACT if is_receipt else StoredVerdict.UNKNOWN
        return StoredVerdict.INTACT if expected == found.sha256 else StoredVerdict.DAMAGED

    def _believe(self, name: str) -> bool:
        """True for a receipt that our key signed; what it says of its output is remembered."""
        try:
            with self.destination.open(name) as blob:
                signed = read_signed(blob.read(_LARGEST_RECEIPT_BYTES))
            receipt = signed.receipt()
        except (NotAReceipt, NotFound):
            return False
        if not signed.signed_by(self.key):
            return False
        self._expected[receipt.output.name] = receipt.output.sha256
        return True

    def _retired(self) -> frozenset[str]:
        gone = (AssetState.ARCHIVED, AssetState.DELETED)
        return frozenset(asset.asset_id for asset in every_asset(self.catalogue) if asset.state in gone)


def every_asset(catalogue: Catalogue) -> Iterator[Asset]:
    """All assets, page by page."""
    after: str | None = None
    while page := catalogue.assets(AssetFilter(after=after, limit=_PAGE)):
        yield from page
        after = page[-1].asset_id


def published(catalogue: Catalogue) -> Iterator[Artefact]:
    """Outputs and receipts that the catalogue says are delivered, under each asset's present policy."""
    for asset in every_asset(catalogue):
        if asset.state is AssetState.DELIVERED:
            for kind in (ArtefactKind.PUBLISHED, ArtefactKind.RECEIPT):
                yield from catalogue.artefacts(asset.asset_id, asset.policy.digest, kind)
