"""How a masked video gets to its destination: written once, read back, and then its signed receipt beside it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar, Final, TypeGuard

from opendrape.domain.media_info import STILL_ENDINGS
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, Delivered, Lease, WorkKind
from opendrape.errors import BlobConflict, NotFound, PermanentError, StorageUnavailable
from opendrape.ledger.worker import Progress
from opendrape.logging import get_log
from opendrape.ports.blobs import BlobStore, StoredBlob
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape_uploader.receipt_facts import receipt_of
from opendrape_uploader.receipt_keys import PublicKey, SigningKey
from opendrape_uploader.signed_receipt import NotAReceipt, read_signed, write_signed

_log = get_log("uploader")
_MAY_BE_DAMAGE: Final = frozenset({"source_differs", "read_back_differs"})


class DeliverHandler:
    """Publishes what was assembled. Redelivery after a kill at any point publishes the same bytes, receipt included.

    ``BlobConflict`` when the destination holds something else under one of the two names; it is left as it is.
    """

    kinds: ClassVar[frozenset[WorkKind]] = frozenset({WorkKind.DELIVER})

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        work_blobs: BlobStore,
        destination: BlobStore,
        signing_key: SigningKey,
        clock: Clock,
    ) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._work_blobs, self._destination = work_blobs, destination
        self._key = signing_key

    def handle(self, lease: Lease, progress: Progress) -> Delivered:
        """Deliver one asset under one policy."""
        assembled = self._assembled(lease)
        progress(0.05)
        output = self._publish(lease, assembled)
        progress(0.7)
        content = self._receipt(lease, assembled, output)
        progress(0.9)
        receipt = self._destination.put_bytes(receipt_name(lease), content)
        return Delivered(
            published=_artefact(ArtefactKind.PUBLISHED, output), receipt=_artefact(ArtefactKind.RECEIPT, receipt)
        )

    def _assembled(self, lease: Lease) -> Assembled:
        outcome = self._catalogue.assembled(lease.asset_id, lease.policy.digest)
        if not isinstance(outcome, Assembled) or outcome.artefact.kind is not ArtefactKind.MASKED:
            raise PermanentError("there is nothing masked to deliver", reason="not_assembled")
        return outcome

    def _publish(self, lease: Lease, assembled: Assembled) -> StoredBlob:
        masked = assembled.artefact
        self._refuse_another_output(lease, masked)
        output = self._copy(output_name(lease, masked), masked)
        if (output.sha256, output.md5, output.size_bytes) != (masked.sha256, assembled.md5, masked.size_bytes):
            raise PermanentError("the output is not what the catalogue knows", reason="output_differs")
        return output

    def _refuse_another_output(self, lease: Lease, masked: Artefact) -> None:
        """Before anything is visible: one asset and policy has one output, wherever it is delivered to."""
        published = self._catalogue.artefacts(lease.asset_id, lease.policy.digest, ArtefactKind.PUBLISHED)
        if any(output.sha256 != masked.sha256 for output in published):
            raise BlobConflict(reason="already_published")

    def _copy(self, name: str, masked: Artefact) -> StoredBlob:
        try:
            with self._work_blobs.local_path(masked.name) as path:
                return self._destination.put(name, path, sha256=masked.sha256)
        except NotFound as error:
            raise PermanentError("the masked file is gone", reason="masked_missing") from error
        except StorageUnavailable as error:
            if error.reason not in _MAY_BE_DAMAGE:
                raise
            self._refuse_damaged(masked)
            raise StorageUnavailable("the masked file was read damaged", reason="masked_damaged") from error

    def _refuse_damaged(self, masked: Artefact) -> None:
        """``PermanentError`` when the file at rest is not what was stored: reading it again cannot help."""
        try:
            found = self._work_blobs.digest(masked.name).sha256
        except NotFound as error:
            raise PermanentError("the masked file is gone", reason="masked_missing") from error
        if found != masked.sha256:
            raise PermanentError("the masked file changed", reason="masked_damaged")

    def _receipt(self, lease: Lease, assembled: Assembled, output: StoredBlob) -> bytes:
        """The receipt's bytes, the same ones each time: kept in the work blobs before anybody sees them.

        A kept one that was damaged at rest proves nothing: it goes, and the facts are signed anew.
        """
        name = f"receipts/{lease.asset_id}/{lease.policy.label}-{output.sha256[:16]}.json"
        content = self._kept(name, lease, output) or self._published_before(lease, output)
        try:
            content = content or self._issue(lease, assembled, output)
            self._work_blobs.put_bytes(name, content)
        except BlobConflict:
            # A worker that had the item before us was faster; its receipt counts.
            content = _content(self._work_blobs, name)
        if not _speaks_of(content, lease, output):
            raise PermanentError("the kept receipt is not of this output", reason="receipt_damaged")
        return content

    def _kept(self, name: str, lease: Lease, output: StoredBlob) -> bytes | None:
        content = _content(self._work_blobs, name)
        if content is None or _speaks_of(content, lease, output):
            return content
        if _content(self._work_blobs, name) == content:  # else another worker was faster
            self._work_blobs.delete(name)
            _log.warning("kept_receipt_dropped", asset_id=lease.asset_id)
        return None

    def _published_before(self, lease: Lease, output: StoredBlob) -> bytes | None:
        """The receipt at the destination, if we signed it for this very output (the work folder may have been lost)."""
        content = _content(self._destination, receipt_name(lease))
        return content if _speaks_of(content, lease, output, key=self._key.public) else None

    def _issue(self, lease: Lease, assembled: Assembled, output: StoredBlob) -> bytes:
        receipt = receipt_of(
            self._catalogue.asset(lease.asset_id),
            lease.policy,
            report=assembled.report,
            scrub=assembled.scrub,
            output=output,
            at=self._clock.now(),
        )
        return write_signed(receipt, self._key)


def output_name(lease: Lease, masked: Artefact) -> str:
    """Where the output is at the destination: pseudonym and policy, no identity; it ends as the masked file does."""
    ending = PurePosixPath(masked.name).suffix
    ending = ending if ending in STILL_ENDINGS.values() else ".mp4"
    return f"{lease.asset_id}/{lease.asset_id}_{lease.policy.label}{ending}"


def receipt_name(lease: Lease) -> str:
    """Where its receipt is."""
    return f"{lease.asset_id}/{lease.asset_id}_{lease.policy.label}.receipt.json"


def _content(store: BlobStore, name: str) -> bytes | None:
    try:
        with store.open(name) as blob:
            return blob.read()
    except NotFound:
        return None


def _speaks_of(
    content: bytes | None, lease: Lease, output: StoredBlob, *, key: PublicKey | None = None
) -> TypeGuard[bytes]:
    """True for a signed receipt (by ``key``, if given) of this output, asset and policy."""
    try:
        signed = read_signed(content or b"")
        receipt = signed.receipt()
    except NotAReceipt:
        return False
    said = (receipt.asset, receipt.policy, receipt.output.name, receipt.output.sha256)
    is_signed = signed.key_id == signed.embedded_key.key_id and signed.signed_by(key or signed.embedded_key)
    return is_signed and said == (lease.asset_id, lease.policy, output.name, output.sha256)


def _artefact(kind: ArtefactKind, stored: StoredBlob) -> Artefact:
    return Artefact(kind=kind, name=stored.name, sha256=stored.sha256, size_bytes=stored.size_bytes)
