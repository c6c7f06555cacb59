"""How is an original in a container opened by pseudonym and read by ranges, always of one version (I-01)?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from opendrape.adapters.azure_blobs.account import Account
from opendrape.adapters.azure_blobs.cached_ranges import CachedRanges
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.facts import Facts
from opendrape.adapters.azure_blobs.range_server import RangeServer
from opendrape.adapters.azure_blobs.session import ContainerSession
from opendrape.adapters.azure_blobs.tuning import Tuning
from opendrape.errors import NotFound, OpenDrapeError, PermanentError, SourceChanged, StorageUnavailable, TransientError
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape.ports.sources import OpenSource, SourceStore

SCHEME: Final = "azure-blob://"


@dataclass(frozen=True, slots=True)
class RawBlob:
    """An original as it lies in the container, one version of it."""

    name: str
    facts: Facts


class RawContainer:
    """The container with originals; only read from. Names are anything: they stay with the key map."""

    def __init__(self, account: Account, name: str, tuning: Tuning = Tuning()) -> None:
        self._session = ContainerSession(account, name, prefix="", create=False, tuning=tuning)
        self._root = f"{SCHEME}{name}/"

    def close(self) -> None:
        """End connections."""
        self._session.close()

    def path_of(self, name: str) -> str:
        """How the key map knows a blob."""
        return self._root + name

    def name_of(self, path: str) -> str | None:
        """The blob's name; None when the path is of another place."""
        return path.removeprefix(self._root) if path.startswith(self._root) else None

    def names(self, prefix: str) -> Iterator[str]:
        """Every blob whose name begins like this."""
        token: str | None = None
        while True:
            found, token = self._session.do(lambda container, token=token: container.page(prefix, token))  # type: ignore[misc]
            yield from (name for name, _ in found)
            if not token:
                return

    def look(self, name: str) -> RawBlob:
        """The blob's present version; ``NotFound``."""
        facts = self._session.do(lambda container: container.look(name))
        if facts is None:
            raise NotFound
        return RawBlob(name, facts)

    def stamp(self, blob: RawBlob) -> int:
        """A version as the number that the key map keeps where a file has its modification time."""
        return int.from_bytes(hashlib.sha256(blob.facts.etag.encode()).digest()[:7], "big")

    def sha256(self, blob: RawBlob) -> str:
        """Digest of every byte of this version."""

        async def read(container: Container) -> str:
            return (await container.reader.digests(container.version(blob.name, blob.facts), careful=True)).sha256

        return self._session.do(read)

    def first_bytes(self, blob: RawBlob, count: int) -> bytes:
        """At most ``count`` bytes from the start of this version."""
        wanted = min(count, blob.facts.size_bytes)
        if not wanted:
            return b""
        return self._session.do(
            lambda container: container.reader.range(container.version(blob.name, blob.facts), 0, wanted)
        )

    @contextmanager
    def served(self, blob: RawBlob) -> Iterator[RangeServer]:
        """Serve this version's bytes while the context lasts."""

        def fetch(offset: int, count: int) -> bytes:
            return self._session.do(
                lambda container: container.reader.range(container.version(blob.name, blob.facts), offset, count)
            )

        cached = CachedRanges(blob.facts.size_bytes, fetch)
        server = RangeServer(blob.facts.size_bytes, cached.read)
        try:
            yield server
        finally:
            server.close()
            cached.close()


class BlobSources(SourceStore):
    """Originals in a container and, through ``local``, in folders. What can be read from a folder is.

    The child gets a socket, not a file: it asks for ranges, and this process fetches them, pinned to the version that
    was found unchanged. A range that cannot be read ends the work with the reason, whatever the child made of it.
    """

    def __init__(self, key_map: KeyMap, raw: RawContainer, local: SourceStore) -> None:
        self._key_map, self._raw, self._local = key_map, raw, local
        self._touched: dict[str, int] = {}

    @contextmanager
    def open(self, asset_id: str) -> Iterator[OpenSource]:
        """Open for the context's duration. ``SourceChanged`` and ``StorageUnavailable`` as the port says."""
        blobs = self._records(asset_id)
        with ExitStack() as opened:
            local = self._open_local(opened, asset_id, is_only=not blobs)
            if local is not None:
                yield local
                return
            server = opened.enter_context(self._raw.served(self._unchanged(blobs)))
            try:
                yield OpenSource(descriptor=server.descriptor, size_bytes=server.size)
            except (PermanentError, TransientError):
                if server.failure is None:
                    raise
            if server.failure is not None:
                raise server.failure

    def verify_digest(self, asset_id: str, sha256: str) -> None:
        """Read the whole original and compare; ``SourceChanged`` when it differs."""
        blobs = self._records(asset_id)
        if not blobs:
            self._local.verify_digest(asset_id, sha256)
        elif self._raw.sha256(self._unchanged(blobs)) != sha256:
            raise SourceChanged(reason="source_changed")

    def _records(self, asset_id: str) -> list[tuple[str, SourceRecord]]:
        named = ((self._raw.name_of(record.path), record) for record in self._key_map.sources(asset_id))
        return [(name, record) for name, record in named if name is not None]

    def _open_local(self, opened: ExitStack, asset_id: str, *, is_only: bool) -> OpenSource | None:
        if is_only:
            return opened.enter_context(self._local.open(asset_id))
        if any(not record.path.startswith(SCHEME) for record in self._key_map.sources(asset_id)):
            with suppress(SourceChanged, StorageUnavailable):
                return opened.enter_context(self._local.open(asset_id))
        return None

    def _unchanged(self, records: list[tuple[str, SourceRecord]]) -> RawBlob:
        """The first that is still the registered content; a storage that may come back outweighs a lost blob."""
        obstacles: list[OpenDrapeError] = []
        for name, record in records:
            try:
                return self._same(name, record)
            except (SourceChanged, StorageUnavailable) as obstacle:
                obstacles.append(obstacle)
        obstacles.sort(key=lambda obstacle: not isinstance(obstacle, StorageUnavailable))
        raise obstacles[0]

    def _same(self, name: str, record: SourceRecord) -> RawBlob:
        try:
            blob = self._raw.look(name)
        except NotFound:
            raise SourceChanged(reason="source_gone") from None
        if blob.facts.size_bytes != record.size_bytes:
            raise SourceChanged(reason="source_changed")
        version = self._raw.stamp(blob)
        if version not in (record.mtime_ns, self._touched.get(name)):
            if self._raw.sha256(blob) != record.content_sha256:
                raise SourceChanged(reason="source_changed")
            self._touched[name] = version
        return blob
