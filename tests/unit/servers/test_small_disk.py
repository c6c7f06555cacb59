"""O-03: what is written to a disk that is full is refused by name, and everything works again once it has room."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opendrape.adapters.audit_anchors import AnchorFile
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.domain.audit import Anchor
from opendrape.errors import StorageUnavailable
from opendrape.media.child_messages import describe_error, raise_error
from tests.servers.small_disk import SmallDisk, small_disk

ANCHOR = Anchor(7, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC), "1" * 16, "2" * 64)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mebibytes=1) as mounted:
        if mounted is None:
            pytest.skip("nothing may be mounted here")
        yield mounted


def test_a_blob_that_does_not_fit_is_refused_and_leaves_nothing(disk: SmallDisk) -> None:
    store = LocalBlobStore(disk.folder / "store")
    disk.fill(leave_bytes=64 * 1024)
    with pytest.raises(StorageUnavailable) as caught:
        store.put_bytes("folder/blob", bytes(128 * 1024))
    assert caught.value.reason == "disk_full"
    assert list(store.list()) == []
    disk.free()
    store.put_bytes("folder/blob", bytes(128 * 1024))
    assert [entry.name for entry in store.list()] == ["folder/blob"]


def test_an_anchor_that_was_written_half_is_told_and_written_again(disk: SmallDisk) -> None:
    """H-09: an anchor that nobody can read is none; the sealer must not take it for one."""
    file = disk.folder / "audit.anchors"
    anchors = AnchorFile(file)
    disk.fill()
    taken = 4096 - 100  # the page that is given back has room for a part of a line only
    disk.free()
    file.write_bytes(bytes(taken))
    disk.fill()
    with pytest.raises(StorageUnavailable) as caught:
        anchors.append(ANCHOR)
    assert caught.value.reason == "disk_full"
    assert list(anchors.read()) == []
    disk.free()
    anchors.append(ANCHOR)
    assert list(anchors.read()) == [ANCHOR]


def test_a_media_child_on_a_full_disk_says_so() -> None:
    """O-03: it is the storage that failed, not the video; it is tried again."""
    with pytest.raises(StorageUnavailable) as caught:
        raise_error(describe_error(OSError(errno.ENOSPC, "No space left on device")))
    assert caught.value.reason == "disk_full"
