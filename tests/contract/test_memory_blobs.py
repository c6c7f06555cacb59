"""D-01: the memory stand-in for blob stores keeps the port's promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.errors import StorageUnavailable
from opendrape.ports.blobs import BlobStore
from tests.contract.blob_store_contract import BlobStoreContract
from tests.fakes.blobs import MemoryBlobs


class TestMemoryBlobs(BlobStoreContract):
    def make(self, folder: Path) -> BlobStore:
        return MemoryBlobs()

    def make_rotten(self, folder: Path) -> BlobStore:
        class Rotten(MemoryBlobs):
            def _settle(self, content: bytes) -> bytes:
                return bytes([content[0] ^ 1]) + content[1:]

        return Rotten()


def test_a_full_memory_store_says_so_and_shows_nothing() -> None:
    store = MemoryBlobs()
    store.full = True
    with pytest.raises(StorageUnavailable):
        store.put_bytes("a", b"1")
    with pytest.raises(StorageUnavailable):
        store.check()
    assert not store.exists("a")
