"""D-01, D-03, O-03: a folder as blob store keeps the port's promises, also when killed, full, or booby-trapped."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.adapters import local_blobs, store_folders
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.errors import BlobConflict, ConfigurationError, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobStore
from tests.contract.blob_store_contract import CONTENT, BlobStoreContract
from tests.fakes.killing import kill_points, killed_at

CODE = (local_blobs.__name__, store_folders.__name__)


class RottenFolder(LocalBlobStore):
    """A medium that flips one bit after it said that it had written everything."""

    def _settle(self, descriptor: int) -> None:
        super()._settle(descriptor)
        last = os.pread(descriptor, 1, len(CONTENT) - 1)
        os.pwrite(descriptor, bytes([last[0] ^ 1]), len(CONTENT) - 1)


class TestLocalBlobs(BlobStoreContract):
    def make(self, folder: Path) -> BlobStore:
        return LocalBlobStore(folder)

    def make_rotten(self, folder: Path) -> BlobStore:
        return RottenFolder(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalBlobStore:
    return LocalBlobStore(root)


def test_no_failed_or_finished_put_leaves_a_partial_file(store: LocalBlobStore, root: Path, tmp_path: Path) -> None:
    """D-02: what is left after success, conflict and rot is exactly what is visible."""
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    store.put_bytes("a/b", b"1")
    with pytest.raises(BlobConflict):
        store.put_bytes("a/b", b"2")
    with pytest.raises(StorageUnavailable):
        RottenFolder(root).put("a/c", source, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert _files(root) == {"a/b": b"1"}


def test_a_writer_killed_at_any_line_leaves_nothing_partial_visible(tmp_path: Path) -> None:
    """O-03, D-03: kill -9 at every line of the store; the name is absent or complete, and the next put succeeds."""
    content = CONTENT[:1000]

    def work_in(folder: Path) -> None:
        LocalBlobStore(folder).put_bytes("asset/asset_faces.mp4", content)

    points = kill_points(lambda: work_in(tmp_path / "counted"), CODE, at_most=200)
    for number, line in enumerate(points):
        folder = tmp_path / str(number)
        assert killed_at(lambda folder=folder: work_in(folder), CODE, line)
        after = LocalBlobStore(folder)
        visible = {entry.name: after.digest(entry.name).sha256 for entry in after.list()}
        assert visible in ({}, {"asset/asset_faces.mp4": hashlib.sha256(content).hexdigest()})
        after.put_bytes("asset/asset_faces.mp4", content)
        after.sweep_partials()
        assert _files(folder) == {"asset/asset_faces.mp4": content}


def test_the_partial_file_of_a_living_writer_is_not_swept(store: LocalBlobStore, root: Path) -> None:
    """O-03: only dead writers lose their partial files."""

    class Swept(LocalBlobStore):
        swept = -1

        def _settle(self, descriptor: int) -> None:
            self.swept = store.sweep_partials()
            super()._settle(descriptor)

    writer = Swept(root)
    writer.put_bytes("a", b"1")
    assert writer.swept == 0
    (root / ".tmp-0123456789abcdef").write_bytes(b"of a dead one")
    assert store.sweep_partials() == 1
    assert _files(root) == {"a": b"1"}


def _race(folder: Path, content: bytes, start: object, answers: object) -> None:
    store = LocalBlobStore(folder)
    start.wait()  # type: ignore[attr-defined]
    try:
        answers.put(store.put_bytes("a/b", content).sha256)  # type: ignore[attr-defined]
    except BlobConflict:
        answers.put("conflict")  # type: ignore[attr-defined]


@pytest.mark.parametrize("different", [False, True])
def test_of_many_writers_of_one_name_one_content_wins(root: Path, different: bool) -> None:
    """D-03: write once, also when several processes write at the same time."""
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    contents = [CONTENT + (bytes([n]) if different else b"") for n in range(4)]
    writers = [context.Process(target=_race, args=(root, content, start, answers)) for content in contents]
    for writer in writers:
        writer.start()
    start.set()
    said = [answers.get(timeout=60) for _ in writers]
    for writer in writers:
        writer.join()
    kept = _files(root)
    winner = hashlib.sha256(kept["a/b"]).hexdigest()
    assert sorted(said) == sorted([winner] + ["conflict" if different else winner] * 3)
    assert list(kept) == ["a/b"]


def test_a_link_in_the_store_leads_nowhere(store: LocalBlobStore, root: Path, tmp_path: Path) -> None:
    """P-05: neither reading nor writing follows a symbolic link out of the store."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"a name")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for name in ("folder/secret", "file"):
        assert not store.exists(name)
        with pytest.raises(NotFound):
            store.open(name)
        with pytest.raises(NotFound):
            store.digest(name)
        with pytest.raises(BlobConflict):
            store.put_bytes(name, b"other")
    store.delete("folder/secret")
    assert list(store.list()) == []
    assert _files(outside) == {"secret": b"a name"}


def test_things_that_are_no_blobs_are_not_listed_and_in_the_way(store: LocalBlobStore, root: Path) -> None:
    (root / "Dr X - Patient Y").mkdir()
    (root / "Dr X - Patient Y" / "op.mp4").write_bytes(b"")
    os.mkfifo(root / "pipe")
    (root / "taken").mkdir()
    assert list(store.list()) == []
    for name in ("pipe", "taken"):
        assert not store.exists(name)
        with pytest.raises(NotFound):
            store.open(name)
        with pytest.raises(BlobConflict):
            store.put_bytes(name, b"")
    store.put_bytes("file", b"")
    with pytest.raises(BlobConflict):
        store.put_bytes("file/below", b"")
    with pytest.raises(NotFound):
        store.open("file/below")


def test_a_store_that_lost_its_folder_says_so(store: LocalBlobStore, root: Path) -> None:
    """O-03: an unplugged destination is a failure to retry, never an empty store."""
    root.rmdir()
    for call in (store.check, lambda: store.put_bytes("a", b""), lambda: store.open("a"), lambda: list(store.list())):
        with pytest.raises(StorageUnavailable) as caught:
            call()
        assert caught.value.reason == "folder_missing"
    with pytest.raises(ConfigurationError):
        LocalBlobStore(root, create=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this machine does not let us mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_shows_nothing(small_disk: Path) -> None:
    """O-03: full disk."""
    store = LocalBlobStore(small_disk)
    store.put_bytes("small", b"1" * 1000)
    with pytest.raises(StorageUnavailable) as caught:
        store.put_bytes("a/big", CONTENT)
    assert caught.value.reason == "disk_full"
    assert _files(small_disk) == {"small": b"1" * 1000}
    store.put_bytes("a/big", b"2" * 1000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_an_error_of_the_medium_while_copying_is_told_and_shows_nothing(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03: ENOSPC in the middle of a copy, on machines where nothing can be mounted too."""

    class Full(LocalBlobStore):
        def _settle(self, descriptor: int) -> None:
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")

    with pytest.raises(StorageUnavailable) as caught:
        Full(root).put_bytes("a", b"1")
    assert caught.value.reason == "disk_full"
    assert _files(root) == {}
    with pytest.raises(StorageUnavailable):
        Full(root).check()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
