"""O-03: what a storm flips at rest is one bit of a result or its timeline, nothing else; a second time puts it back."""

from __future__ import annotations

import random
from pathlib import Path

from azure.storage.blob import BlobClient

from tests.nemesis.disk_faults import Rot, flip_in_blob, rot_in_container, rot_in_folder
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import opened

CHUNK, OTHER = "chunks/ar-a/quick/00000-aa", "receipts/ar-a/quick-aa.json"
TIMELINE, AT_REST = "timelines/ar-a.bin", "timelines/ar-b.bin"
CONTENT = bytes(4096)


def _strike(rot: Rot) -> None:
    rot.fault().strike(random.Random(1))()


def _ones(content: bytes) -> int:
    return sum(byte.bit_count() for byte in content)


def test_in_a_folder(tmp_path: Path) -> None:
    for name in (CHUNK, OTHER):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(CONTENT)
    rot = rot_in_folder(tmp_path)
    _strike(rot)
    assert rot.victims == {"ar-a"}
    assert _ones((tmp_path / CHUNK).read_bytes()) == 1
    assert (tmp_path / OTHER).read_bytes() == CONTENT
    _strike(rot)
    assert (tmp_path / CHUNK).read_bytes() == CONTENT


def test_the_timeline_of_a_video_on_its_way_is_hit_too_and_no_other(tmp_path: Path) -> None:
    for name in (CHUNK, TIMELINE, AT_REST):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(CONTENT)
    rot = rot_in_folder(tmp_path)
    assert rot.names() == [CHUNK, TIMELINE]
    rot.fault().strike(_Last(1))()
    assert rot.victims == {"ar-a"}
    assert _ones((tmp_path / TIMELINE).read_bytes()) == 1


class _Last(random.Random):
    """Picks the last of everything."""

    def random(self) -> float:
        return 0.99


def test_in_a_container(azurite: Azurite, container_name: str, tmp_path: Path) -> None:
    store = opened(azurite, container_name, scratch=tmp_path)
    for name in (CHUNK, OTHER):
        store.put_bytes(name, CONTENT)
    before = store.digest(CHUNK).sha256
    rot = rot_in_container(azurite, container_name)
    _strike(rot)
    assert rot.victims == {"ar-a"}
    with BlobClient.from_connection_string(azurite.connection_string(), container_name, CHUNK) as blob:
        assert _ones(blob.download_blob().readall()) == 1
    assert store.digest(CHUNK).sha256 != before, "it is still taken for the blob that was stored"
    assert store.digest(OTHER).sha256 == before
    assert flip_in_blob(azurite, container_name, CHUNK, 0.5)
    assert not flip_in_blob(azurite, container_name, "chunks/ar-b/none", 0.5)
    store.close()
