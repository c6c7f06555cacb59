"""How are intermediate results kept and used so that a byte that changed at rest never gets into a video?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from opendrape.adapters.store_folders import storage_errors
from opendrape.domain.work import Artefact
from opendrape.errors import BlobConflict, Disposition, NotFound, OpenDrapeError, PermanentError, StorageUnavailable
from opendrape.ports.blobs import BlobStore, StoredBlob
from opendrape_masker.digests import digest_file

_DAMAGED_COPY = frozenset({BlobConflict.default_reason, "blob_damaged"})


def put_result(store: BlobStore, name: str, source: Path, *, sha256: str) -> StoredBlob:
    """``BlobStore.put`` for a name that is bound to its content.

    Other bytes under it are a damaged copy of the same result: it goes, and is written anew.
    """
    try:
        return store.put(name, source, sha256=sha256)
    except BlobConflict as conflict:
        if conflict.reason not in _DAMAGED_COPY:
            raise
    store.delete(name)
    return store.put(name, source, sha256=sha256)


@contextmanager
def opened_chunk(store: BlobStore, chunk: Artefact) -> Iterator[Path]:
    """The chunk as a local file. ``PermanentError`` with ``chunk_missing``, or ``chunk_damaged`` as it comes."""
    with ExitStack() as opened:
        try:
            path = opened.enter_context(store.local_path(chunk.name))
        except NotFound as error:
            raise PermanentError("a chunk is missing", reason="chunk_missing") from error
        except StorageUnavailable as error:
            if error.reason == "read_back_differs":
                _refuse_damaged(store, chunk)
            raise
        yield path


@contextmanager
def blaming_damaged_chunks(store: BlobStore, chunks: Sequence[Artefact], paths: Sequence[Path]) -> Iterator[None]:
    """Whatever came of using these files counts only when they held what was stored, asked after their use: a byte may
    change at any moment before. ``chunk_damaged`` is permanent when the store itself holds other bytes now.
    """
    try:
        yield
    except OpenDrapeError as error:
        if error.disposition is not Disposition.ABANDON:  # else somebody waits for us to leave
            _check(store, chunks, paths)
        raise
    _check(store, chunks, paths)


def _check(store: BlobStore, chunks: Sequence[Artefact], paths: Sequence[Path]) -> None:
    for chunk, path in zip(chunks, paths, strict=True):
        with storage_errors():
            found = digest_file(path).sha256
        if found != chunk.sha256:
            _refuse_damaged(store, chunk)
            raise StorageUnavailable("a chunk was read damaged", reason="chunk_damaged")


def _refuse_damaged(store: BlobStore, chunk: Artefact) -> None:
    """``PermanentError`` when the chunk at rest is not what was stored: reading it again cannot help."""
    try:
        found = store.digest(chunk.name).sha256
    except NotFound as error:
        raise PermanentError("a chunk is missing", reason="chunk_missing") from error
    if found != chunk.sha256:
        raise PermanentError("a stored chunk changed", reason="chunk_damaged")
