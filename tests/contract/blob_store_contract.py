"""What every blob store must keep, whatever its medium: subclasses say how a good and a rotten one are made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from opendrape.errors import BlobConflict, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobStore

CONTENT = bytes(range(256)) * 5000
OUTSIDE = ["/", "/a", "a/", "a//b", "..", "../a", "a/../b", ".", "a/./b"]
ODD_NAMES = [
    "",
    *OUTSIDE,
    "a\\b",
    "a\0b",
    "a b",
    ".hidden",
    "ä",
    "a/.tmp-1",
    "a\n",
    "x" * 300,
    "/".join(["long"] * 300),
]


class BlobStoreContract:
    """D-01, D-02, D-03: write once, verified by reading back, only then visible."""

    def make(self, folder: Path) -> BlobStore:
        raise NotImplementedError

    def make_rotten(self, folder: Path) -> BlobStore:
        """A store whose medium flips one bit of what is written to it."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return self.make(tmp_path / "store")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source"
        path.write_bytes(CONTENT)
        return path

    def test_a_put_blob_is_described_by_the_digests_of_its_bytes(self, store: BlobStore, source: Path) -> None:
        """D-02: SHA-256, MD5 and length are recorded."""
        stored = store.put("a/b/c.mp4", source, sha256=_sha(CONTENT))
        md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        assert (stored.name, stored.sha256, stored.md5, stored.size_bytes) == (
            "a/b/c.mp4",
            _sha(CONTENT),
            md5,
            len(CONTENT),
        )
        assert store.digest("a/b/c.mp4") == stored

    def test_what_was_put_can_be_read_and_sought(self, store: BlobStore) -> None:
        store.put_bytes("x", b"0123456789")
        with store.open("x") as blob:
            assert blob.seek(4) == 4
            assert blob.read() == b"456789"
        with store.local_path("x") as path:
            assert path.read_bytes() == b"0123456789"

    def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        assert store.put_bytes("empty", b"").size_bytes == 0
        assert store.exists("empty")

    def test_the_same_bytes_under_the_same_name_count_as_done(self, store: BlobStore, source: Path) -> None:
        """D-03: an existing blob with the same digest counts as done."""
        first = store.put("a", source, sha256=_sha(CONTENT))
        assert store.put("a", source, sha256=_sha(CONTENT)) == first
        assert store.put_bytes("a", CONTENT) == first

    def test_other_bytes_under_the_same_name_are_a_conflict_and_change_nothing(self, store: BlobStore) -> None:
        """D-03: never overwrites."""
        store.put_bytes("a", b"first")
        with pytest.raises(BlobConflict):
            store.put_bytes("a", b"other")
        with store.open("a") as blob:
            assert blob.read() == b"first"

    def test_a_flipped_bit_between_writing_and_reading_back_is_found(self, tmp_path: Path, source: Path) -> None:
        """D-02: one flipped byte of equal length on the medium is found, and nothing becomes visible."""
        store = self.make_rotten(tmp_path / "rotten")
        with pytest.raises(StorageUnavailable) as caught:
            store.put("a/b", source, sha256=_sha(CONTENT))
        assert caught.value.reason == "read_back_differs"
        assert not store.exists("a/b")
        assert list(store.list()) == []

    def test_a_source_that_is_not_the_announced_content_never_becomes_visible(
        self, store: BlobStore, source: Path
    ) -> None:
        with pytest.raises(StorageUnavailable) as caught:
            store.put("a", source, sha256=_sha(b"something else"))
        assert caught.value.reason == "source_differs"
        assert not store.exists("a")

    def test_a_missing_source_is_told(self, store: BlobStore, tmp_path: Path) -> None:
        with pytest.raises(StorageUnavailable) as caught:
            store.put("a", tmp_path / "nothing", sha256=_sha(b""))
        assert caught.value.reason == "source_unreadable"

    @pytest.mark.parametrize(
        "name",
        ODD_NAMES,
    )
    def test_odd_names_are_refused_everywhere(self, store: BlobStore, source: Path, name: str) -> None:
        """P-05: a name is plain ASCII; a path out of the store is not a name."""
        for call in (store.exists, store.open, store.digest, store.delete):
            with pytest.raises(ValueError, match="not a blob name"):
                call(name)
        with pytest.raises(ValueError, match="not a blob name"):
            store.put_bytes(name, b"")
        with pytest.raises(ValueError, match="not a blob name"):
            store.put(name, source, sha256=_sha(CONTENT))
        with pytest.raises(ValueError, match="not a blob name"), store.local_path(name):
            pass

    def test_a_missing_name_is_not_found(self, store: BlobStore) -> None:
        assert not store.exists("a/b")
        for call in (store.open, store.digest):
            with pytest.raises(NotFound):
                call("a/b")
        with pytest.raises(NotFound), store.local_path("a/b"):
            pass

    def test_deleting_is_idempotent(self, store: BlobStore) -> None:
        store.put_bytes("a/b", b"1")
        store.delete("a/b")
        store.delete("a/b")
        assert not store.exists("a/b")
        store.put_bytes("a/b", b"2")

    def test_a_listing_is_in_name_order_and_knows_sizes(self, store: BlobStore) -> None:
        names = ["a/b/c", "a-b", "a.mp4", "a/b.mp4", "b/a", "a/b-", "a/bb/x", "A"]
        for size, name in enumerate(names):
            store.put_bytes(name, b"x" * size)
        assert [entry.name for entry in store.list()] == sorted(names)
        assert {entry.name: entry.size_bytes for entry in store.list()} == {n: s for s, n in enumerate(names)}

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [("a/b", ["a/b-", "a/b.mp4", "a/b/c"]), ("a/b/", ["a/b/c"]), ("a/b/c/", []), ("z", []), ("../", [])],
    )
    def test_a_prefix_chooses_by_characters(self, store: BlobStore, prefix: str, found: list[str]) -> None:
        for name in ("a/b/c", "a/b.mp4", "a/b-", "a/c"):
            store.put_bytes(name, b"")
        assert [entry.name for entry in store.list(prefix)] == found

    def test_a_healthy_store_passes_its_check(self, store: BlobStore) -> None:
        store.check()
        assert list(store.list()) == []


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
