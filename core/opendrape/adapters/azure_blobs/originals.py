"""How are originals in a container looked at and digested, always the version that was seen (I-01)?"""

from __future__ import annotations

from opendrape.adapters.azure_blobs.sources import RawBlob, RawContainer
from opendrape.errors import NotFound, SourceChanged, StorageUnavailable
from opendrape.ports.originals import Original, Originals


class AzureOriginals(Originals):
    """See the port. A version is an ETag: every read carries it, so the service itself refuses another one's bytes."""

    def __init__(self, raw: RawContainer) -> None:
        self._raw = raw

    def look(self, name: str) -> Original:
        return self._seen(self._raw.look(name))

    def head(self, original: Original, count: int) -> bytes:
        blob = self._same(original)
        if not original.size_bytes:
            return b""  # no range of nothing can be asked for
        try:
            return self._raw.range(blob, 0, min(count, original.size_bytes))
        except StorageUnavailable as error:
            raise _told(error) from None

    def sha256(self, original: Original) -> str:
        blob = self._same(original)
        try:
            return self._raw.sha256(blob)
        except StorageUnavailable as error:
            raise _told(error) from None

    def _seen(self, blob: RawBlob) -> Original:
        return Original(blob.name, self._raw.path_of(blob.name), blob.facts.size_bytes, self._raw.stamp(blob))

    def _same(self, original: Original) -> RawBlob:
        try:
            blob = self._raw.look(original.name)
        except NotFound:
            raise SourceChanged(reason="source_gone") from None
        if self._seen(blob) != original:
            raise SourceChanged
        return blob


def _told(error: StorageUnavailable) -> SourceChanged | StorageUnavailable:
    return SourceChanged() if error.reason == "blob_changed" else error
