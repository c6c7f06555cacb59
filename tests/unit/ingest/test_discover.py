"""Is everything under a source root found or accounted for, and nothing beyond it (I-02, I-03)?"""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest

from opendrape.errors import ConfigurationError
from opendrape_ingest.beneath import open_file, open_folder, stat_file
from opendrape_ingest.discover import Found, PassedOver, discover, source_root
from opendrape_ingest.recognise import judge

STRANGE_NAMES = ["with space.mp4", "100% #1 {a}.mp4", "æøå.mp4", "quote'\".mp4", "line\nbreak.mp4", "tab\t.mp4"]


def listing(root: Path, **options) -> dict[str, str]:
    """Relative path -> why it was passed over; empty for files that were found."""
    return {str(name.relative): getattr(name, "reason", "") for name in discover(root, **options)}


@pytest.mark.parametrize("name", [*STRANGE_NAMES, os.fsdecode(b"latin-\xe6.mp4")])
def test_any_name_works(tmp_path, name):
    """I-03: names with spaces, %#{}, æøå, quotes, newlines; and bytes that are no text."""
    (tmp_path / name).write_bytes(b"content")
    (found,) = discover(tmp_path)
    assert isinstance(found, Found)
    assert found.size_bytes == 7
    descriptor = open_file(tmp_path, found.relative)
    assert os.pread(descriptor, 10, 0) == b"content"
    os.close(descriptor)


def test_links_are_never_followed_and_always_reported(tmp_path):
    """I-03: symlinks never leave the source root."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    for folder in (outside, root):
        folder.mkdir()
    (outside / "secret.mp4").write_bytes(b"secret")
    (root / "file.mp4").symlink_to(outside / "secret.mp4")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    assert listing(root) == dict.fromkeys(["file.mp4", "folder", "loop"], "symbolic_link")


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path):
    """I-03: also when it happens between listing and opening."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    (root / "day").mkdir(parents=True)
    outside.mkdir()
    for folder in (outside, root / "day"):
        (folder / "op.mp4").write_bytes(b"content")
    (found,) = discover(root)
    (root / "day").rename(root / "before")
    (root / "day").symlink_to(outside)
    for access in (open_file, stat_file):
        with pytest.raises(OSError):
            access(root, found.relative)


@pytest.mark.parametrize("relative", ["../outside/secret.mp4", "/etc/passwd"])
def test_a_path_out_of_the_root_is_refused(tmp_path, relative):
    """I-03: `..` never leaves the source root."""
    with pytest.raises(ValueError):
        open_folder(tmp_path, PurePath(relative))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".hidden.mp4", "hidden"),
        ("op.mp4.part", "temporary"),
        ("OP.TMP", "temporary"),
        ("~$report.mp4", "temporary"),
        ("Thumbs.db", "system_file"),
    ],
)
def test_hidden_and_temporary_files_are_reported_with_the_reason(tmp_path, name, reason):
    """I-02: never silently skipped."""
    (tmp_path / name).write_bytes(b"content")
    assert listing(tmp_path) == {name: reason}


def test_pipes_are_reported_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert listing(tmp_path) == {"pipe.mp4": "not_a_file"}


def test_the_order_depends_on_names_only(tmp_path):
    names = ["b/2.mp4", "a/z/1.mp4", "B.mp4", "a/1.mp4", "ø.mp4"]
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(listing(tmp_path)) == ["B.mp4", "a/1.mp4", "a/z/1.mp4", "b/2.mp4", "ø.mp4"]


def test_our_own_folders_are_not_entered(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "masked.mp4").write_bytes(b"")
    assert listing(tmp_path, leave_out=[tmp_path / "out"]) == {"out": "own_folder"}


def test_a_folder_that_cannot_be_read_is_a_failure_and_the_others_go_on(tmp_path, monkeypatch):
    """I-05: the run goes on."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "op.mp4").write_bytes(b"")
    scandir = os.scandir
    refused = os.stat(tmp_path / "a").st_ino

    def denying(descriptor):
        if os.fstat(descriptor).st_ino == refused:
            raise PermissionError
        return scandir(descriptor)

    monkeypatch.setattr(os, "scandir", denying)
    assert list(discover(tmp_path)) == [
        PassedOver(PurePath("a"), "folder_unreadable", failed=True),
        next(name for name in discover(tmp_path) if isinstance(name, Found)),
    ]


def test_one_file_can_be_the_source(tmp_path):
    (tmp_path / "op.mp4").write_bytes(b"1234")
    (tmp_path / "other.mp4").write_bytes(b"")
    root, start = source_root(tmp_path / "op.mp4")
    assert [str(name.relative) for name in discover(root, start)] == ["op.mp4"]


def test_a_source_that_is_not_there_is_named_by_its_reason_only(tmp_path):
    """P-05: the path is not in the message."""
    with pytest.raises(ConfigurationError) as refused:
        source_root(tmp_path / "Anna Andersen")
    assert refused.value.reason == "source_missing"
    assert "Anna" not in str(refused.value)


@pytest.mark.parametrize(
    ("head", "ending", "reason", "failed"),
    [
        (b"", ".mp4", "empty_file", True),
        (b"", ".txt", "empty_file", False),
        (b"#EXTM3U\nsecret.mp4\n", ".MP4", "playlist_refused", True),
        (b"plain words", ".txt", "not_a_video", False),
        (b"BM", ".bmp", "image_not_supported", False),
        (b"plain words", ".JPG", "not_a_video", True),
    ],
)
def test_content_decides_and_the_name_only_how_loudly(head, ending, reason, failed):
    """I-02: recognised by content, not by name; anything else is reported."""
    refused = judge(head, ending)
    assert refused is not None
    assert (refused.reason, refused.failed) == (reason, failed)


@pytest.mark.parametrize("ending", [".mp4", ".MOV", ".jpg", ""])
def test_a_video_is_a_video_under_any_name(ending):
    """I-02: case and ending of the name do not matter."""
    assert judge(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", ending) is None
