"""Is an original opened only while it is the file that was registered (ports.sources)?"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from opendrape.adapters.local_sources import LocalSources
from opendrape.errors import SourceChanged, StorageUnavailable
from opendrape.ports.key_map import SourceRecord

CONTENT = b"moving pictures"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Remembered:
    """The one look-up that opening needs of a key map."""

    def __init__(self, *paths: Path) -> None:
        self._records = [_record(path) for path in paths]

    def sources(self, asset_id: str) -> Sequence[SourceRecord]:
        return self._records if asset_id == "ar-1" else ()


def _record(path: Path) -> SourceRecord:
    facts = path.stat()
    return SourceRecord(str(path), facts.st_size, facts.st_mtime_ns, SHA256)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "Anna Andersen.mp4"
    path.write_bytes(CONTENT)
    return path


def reason(store: LocalSources, asset_id: str = "ar-1") -> str:
    with pytest.raises((SourceChanged, StorageUnavailable)) as refused, store.open(asset_id):
        pass
    assert "Anna" not in repr(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None
    return refused.value.reason


def test_an_unchanged_original_is_open_for_reading_only_and_closed_afterwards(original):
    before = set(os.listdir("/proc/self/fd"))
    with LocalSources(Remembered(original)).open("ar-1") as source:
        assert source.size_bytes == len(CONTENT)
        assert os.pread(source.descriptor, 100, 0) == CONTENT
        assert os.lseek(source.descriptor, 0, os.SEEK_END) == len(CONTENT)
        with pytest.raises(OSError):
            os.write(source.descriptor, b"x")
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_original_that_is_gone_or_unknown_is_said_to_be_gone_without_its_name(original):
    """P-05."""
    store = LocalSources(Remembered(original))
    original.unlink()
    assert reason(store) == reason(store, "ar-unknown") == "source_gone"


def test_changed_content_is_a_change(original):
    """I-04: a changed file under a known name is another asset, whether it grew or not."""
    store = LocalSources(Remembered(original))
    original.write_bytes(CONTENT[::-1])
    os.utime(original, ns=(0, 1))
    assert reason(store) == "source_changed"
    original.write_bytes(CONTENT + b"!")
    assert reason(store) == "source_changed"


def test_a_file_that_was_only_touched_is_read_once_and_opened(original, monkeypatch):
    """I-04: a backup or a virus scanner changes times; the content counts, also when it changes later."""
    store = LocalSources(Remembered(original))
    os.utime(original, ns=(0, 1))
    with store.open("ar-1") as source:
        assert os.read(source.descriptor, 100) == CONTENT
    with monkeypatch.context() as patched:
        patched.setattr("opendrape.adapters.local_sources.sha256_of", None)
        with store.open("ar-1") as source:
            assert os.read(source.descriptor, 100) == CONTENT
    original.write_bytes(CONTENT[::-1])
    os.utime(original, ns=(0, 2))
    assert reason(store) == "source_changed"


def test_a_link_to_a_file_that_looks_the_same_is_not_followed(original, tmp_path):
    """I-03."""
    store = LocalSources(Remembered(original))
    original.rename(tmp_path / "elsewhere.mp4")
    original.symlink_to(tmp_path / "elsewhere.mp4")
    assert reason(store) == "source_gone"


@pytest.mark.parametrize("replace", [os.mkfifo, os.mkdir])
def test_what_is_no_file_any_more_is_not_opened(original, replace):
    """I-03: a pipe in the place of an original does not hold the worker."""
    store = LocalSources(Remembered(original))
    original.unlink()
    replace(original)
    assert reason(store) in ("source_gone", "source_changed")


def test_the_next_path_serves_when_the_latest_is_gone(original, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(CONTENT)
    store = LocalSources(Remembered(original, copy))
    original.unlink()
    with store.open("ar-1") as source:
        assert os.pread(source.descriptor, 100, 0) == CONTENT


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_share_that_does_not_answer_is_tried_again_later(original, monkeypatch, code):
    store = LocalSources(Remembered(original))

    def broken(path, flags):
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr("opendrape.adapters.local_sources.os.open", broken)
    assert reason(store) == "source_unreachable"


def test_the_digest_is_read_anew(original):
    """Size and time can be faked; the content cannot."""
    store = LocalSources(Remembered(original))
    store.verify_digest("ar-1", SHA256)
    facts = original.stat()
    original.write_bytes(CONTENT[::-1])
    os.utime(original, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(SourceChanged) as changed:
        store.verify_digest("ar-1", SHA256)
    assert changed.value.reason == "source_changed"


def test_a_medium_that_fails_while_it_is_read_is_tried_again_later(original, monkeypatch):
    store = LocalSources(Remembered(original))

    def broken(*_):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr("opendrape.adapters.streamed_digest.os.preadv", broken)
    with pytest.raises(StorageUnavailable):
        store.verify_digest("ar-1", SHA256)
