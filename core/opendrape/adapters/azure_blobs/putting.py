"""How does a file become a visible blob, whoever else writes under the name and wherever somebody died before?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

from azure.core.exceptions import AzureError

from opendrape.adapters.azure_blobs import answers
from opendrape.adapters.azure_blobs.blocks import Staged
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.facts import Facts
from opendrape.adapters.azure_blobs.reading import Digests
from opendrape.adapters.azure_blobs.tuning import block_bytes
from opendrape.errors import BlobConflict, StorageUnavailable
from opendrape.ports.blobs import StoredBlob

_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be stored: an open file from its start, its size and its announced SHA-256."""

    stream: BinaryIO
    size_bytes: int
    sha256: str


async def put(container: Container, name: str, source: Source) -> StoredBlob:
    """Write once, read back, mark as verified. What is there already is read and decides.

    ``BlobConflict`` for other content. A blob of a dead writer that announced our content and holds something else is
    removed (that very version) and told as ``read_back_differs``.
    """
    for _ in range(_ROUNDS):
        facts = await container.look(name)
        if facts is None:
            await _write(container, name, source)
            continue
        stored = await _settle(container, name, facts, source.sha256)
        if stored is not None:
            return stored
    raise StorageUnavailable(reason="blob_changed")


async def _write(container: Container, name: str, source: Source) -> None:
    """Stage and commit. The next look decides, also when another writer was first."""
    source.stream.seek(0)
    size = block_bytes(source.size_bytes, container.tuning)
    staged = await container.staged(name) if source.size_bytes > size else Staged()
    sent = await container.sender.stage(container.blob(name), source.stream, block_bytes=size, staged=staged)
    if sent.sha256 != source.sha256:
        raise StorageUnavailable(reason="source_differs")
    await container.commit(name, sent)


async def _settle(container: Container, name: str, facts: Facts, sha256: str) -> StoredBlob | None:
    """The blob, proven by its bytes; None when it changed meanwhile."""
    digests = await _read_back(container, name, facts, sha256)
    if digests is None:
        return None
    if digests.sha256 != sha256:
        await _refuse(container, name, facts, sha256)
    if not facts.is_verified and not await container.mark(name, facts, digests):
        return None
    return StoredBlob(name, digests.sha256, digests.md5, digests.size_bytes)


async def _read_back(container: Container, name: str, facts: Facts, sha256: str) -> Digests | None:
    """What is there. A difference is looked at twice, the second time with a checksum for each range, so that a flip on
    the way is not taken for one at rest."""
    version = container.version(name, facts)
    try:
        digests = await container.reader.digests(version)
        if digests.sha256 != sha256:
            digests = await container.reader.digests(version, careful=True)
    except AzureError as error:
        if answers.status(error) == 412 or answers.code(error) == "BlobNotFound":
            return None
        raise
    return digests


async def _refuse(container: Container, name: str, facts: Facts, sha256: str) -> None:
    if facts.sha256 != sha256:
        raise BlobConflict
    if facts.is_verified:
        # it was whole once and was delivered: a person decides
        raise BlobConflict(reason="blob_damaged")
    await container.delete(name, facts)
    raise StorageUnavailable(reason="read_back_differs")
