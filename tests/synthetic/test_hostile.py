"""Hostile files: each really is what it claims to be."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from opendrape_masker.synthetic import HostileFile, make_hostile
from tests.synthetic.canaries import grep_canaries
from tests.synthetic.judge import pictures
from tests.synthetic.likeness import distance_inside

Folder = tuple[Path, dict[str, HostileFile]]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = tmp_path_factory.mktemp("hostile")
    return folder, {file.name: file for file in make_hostile(folder)}


def test_every_file_is_listed_and_no_other_lies_there(hostile: Folder) -> None:
    """I-05: a file nobody speaks of is a file nobody tests."""
    folder, files = hostile
    assert {path.name for path in folder.iterdir()} == set(files)


@pytest.mark.parametrize(
    ("name", "side"), [("giant_png.mov", 12_288), ("small_label_giant_png.mov", 12_288), ("giant_h264.mov", 15_360)]
)
def test_giants_are_tiny_files_that_declare_giant_frames(hostile: Folder, name: str, side: int) -> None:
    """I-05: an open decoder would believe them."""
    folder, _ = hostile
    assert (folder / name).stat().st_size < 20_000
    with av.open(str(folder / name)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (side, side)


def test_the_playlists_would_be_followed_by_a_careless_reader(hostile: Folder) -> None:
    """I-05: FFmpeg recognises the content as a list whatever the name says."""
    folder, _ = hostile
    with av.open(str(folder / "playlist.mp4")) as container:
        assert container.format.name == "concat"
        assert sum(1 for _ in container.decode(video=0)) == 15
    assert (folder / "stream.mp4").read_bytes().startswith(b"#EXTM3U")


@pytest.mark.parametrize("name", ["truncated.mp4", "empty.mp4", "random.mp4", "words.mp4"])
def test_broken_files_cannot_be_opened_at_all(hostile: Folder, name: str) -> None:
    """I-05: refused is the only right answer."""
    folder, files = hostile
    assert files[name].refused
    with pytest.raises(av.error.FFmpegError), av.open(str(folder / name)) as container:
        next(container.decode(video=0))


@pytest.mark.parametrize("name", ["trailing.mp4", "boxes.mp4"])
def test_stowaways_play_and_carry_names(hostile: Folder, name: str) -> None:
    """V-09: the names are in bytes that a tag-wise cleaning does not see."""
    folder, files = hostile
    assert sum(1 for _ in pictures(folder / name)) == 15
    carried = {hit.canary for hit in grep_canaries([folder / name], files[name].canaries)}
    assert carried == set(files[name].canaries) != set()


def test_distance_inside_counts_edits_to_the_nearest_part() -> None:
    """V-15: two misread letters are still a readable name, three are not."""
    assert distance_inside("ANDERSSON, MÄRTA", "xx andersson,märta 12") == 0
    assert distance_inside("ID 471193", "1D471I93") == 2
    assert distance_inside("471193", "580022") > 2
    assert distance_inside("471193", "") == 6
