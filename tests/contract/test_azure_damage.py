"""O-03, D-02: intermediate results in a container whose bytes rot, and copies of them on a disk that is full."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from opendrape.adapters.azure_blobs import AzureBlobStore
from opendrape.domain.work import Artefact, ArtefactKind
from opendrape.errors import PermanentError, StorageUnavailable
from opendrape_masker.stored_results import opened_chunk, put_result
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import opened, overwrite_behind
from tests.servers.small_disk import small_disk

CONTENT = bytes(range(256)) * 8192
SHA = hashlib.sha256(CONTENT).hexdigest()
CHUNK = Artefact(ArtefactKind.CHUNK, "chunks/a", SHA, len(CONTENT), 0)


@pytest.fixture
def store(azurite: Azurite, container_name: str, tmp_path: Path) -> Iterator[AzureBlobStore]:
    opened_store = opened(azurite, container_name, scratch=tmp_path / "scratch")
    (tmp_path / "made").write_bytes(CONTENT)
    opened_store.put(CHUNK.name, tmp_path / "made", sha256=SHA)
    yield opened_store
    opened_store.close()


def test_a_damaged_chunk_is_told_at_once(azurite: Azurite, container_name: str, store: AzureBlobStore) -> None:
    """Asking again cannot help: the video is stopped with the reason that lets a retry mask anew."""
    overwrite_behind(azurite, container_name, CHUNK.name, place=70_000)
    with pytest.raises(PermanentError) as caught, opened_chunk(store, CHUNK):
        pass
    assert caught.value.reason == "chunk_damaged"


def test_a_chunk_that_is_gone_is_told_as_such(store: AzureBlobStore) -> None:
    store.delete(CHUNK.name)
    with pytest.raises(PermanentError) as caught, opened_chunk(store, CHUNK):
        pass
    assert caught.value.reason == "chunk_missing"


def test_a_damaged_copy_is_written_anew(
    azurite: Azurite, container_name: str, store: AzureBlobStore, tmp_path: Path
) -> None:
    """Its name is bound to its content: what else stands there is of no use to anybody."""
    overwrite_behind(azurite, container_name, CHUNK.name, place=70_000)
    assert put_result(store, CHUNK.name, tmp_path / "made", sha256=SHA).sha256 == SHA
    assert store.digest(CHUNK.name).sha256 == SHA


def test_a_disk_that_fills_up_while_a_copy_comes_is_told_as_full(
    azurite: Azurite, container_name: str, store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room that was there when it was asked for may be gone: the storage failed, not the video."""
    with small_disk(tmp_path / "disk", mebibytes=1) as disk:
        if disk is None:
            pytest.skip("nothing may be mounted here")
        small = opened(azurite, container_name, scratch=disk.folder / "scratch")
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=2**40))
        with pytest.raises(StorageUnavailable) as caught, small.local_path(CHUNK.name):
            pass
        small.close()
        assert caught.value.reason == "disk_full"
        assert list((disk.folder / "scratch").iterdir()) == []
