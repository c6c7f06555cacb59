"""Is everything found that was put into a written file besides its pictures?"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.media.boxes import top_level_boxes
from opendrape.media.movie_boxes import all_boxes, opened_boxes
from opendrape.media.scrub import survivors
from tests.integration.media.footage import ffmpeg, pattern, through
from tests.unit.media.bytes_file import box


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written file that nothing survives in."""
    folder = tmp_path_factory.mktemp("clean")
    _, _, written = through(pattern(folder / "s.mp4", "-c:v", "libx264"), folder)
    assert survivors(written) == ()
    return written


def test_tags_chapters_sound_and_titles_are_found(clean: Path, tmp_path: Path) -> None:
    """V-09: what FFmpeg itself would have written."""
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\ntitle=Jane Doe\n[CHAPTER]\nSTART=0\nEND=500000000\ntitle=Incision\n")
    ffmpeg("-i", clean, "-i", chapters, "-map_metadata", "1", "-c", "copy", tmp_path / "chapters.mp4")
    ffmpeg("-i", clean, "-metadata", "title=Jane Doe", "-c", "copy", tmp_path / "tags.mp4")
    ffmpeg("-i", clean, "-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy", "-c:a", "aac", tmp_path / "sound.mp4")
    stamp = "creation_time=2026-01-02T03:04:05Z"
    ffmpeg("-i", clean, "-c", "copy", "-metadata", stamp, "-metadata:s:v", "handler_name=Jane", tmp_path / "stamp.mp4")
    assert {"tags", "user_data_box"} <= set(survivors(tmp_path / "tags.mp4"))
    assert {"user_data_box", "further_streams"} <= set(survivors(tmp_path / "chapters.mp4"))
    assert "further_streams" in survivors(tmp_path / "sound.mp4")
    assert {"creation_time", "handler_name"} <= set(survivors(tmp_path / "stamp.mp4"))


def test_text_in_the_bitstream_is_found(tmp_path: Path) -> None:
    """V-09: x264's own settings in SEI, and user data that somebody put there."""
    plain = pattern(tmp_path / "plain.mp4", "-c:v", "libx264", "-bitexact")
    assert "sei" in survivors(plain)
    unit = pattern(
        tmp_path / "aud.mp4", "-c:v", "libx264", "-x264-params", "aud=1", "-bsf:v", "filter_units=remove_types=6"
    )
    assert "unexpected_nal_unit" in survivors(unit)
    assert "sei" not in survivors(unit)


@pytest.mark.parametrize(
    ("appended", "slug"),
    [
        (b"Jane Doe", "trailing_bytes"),
        (box(b"uuid", b"Jane Doe" * 4), "user_data_box"),
        (box(b"free", b"Jane Doe"), "filled_free_space"),
        (box(b"skip", b"Jane Doe"), "unexpected_box"),
        (box(b"mdat", b"Jane Doe"), "bytes_outside_samples"),
        (box(b"moov", b""), "box_twice"),
        ((100).to_bytes(4) + b"free", "broken_box"),
    ],
)
def test_what_is_hung_behind_the_movie_is_found(clean: Path, tmp_path: Path, appended: bytes, slug: str) -> None:
    """V-09: trailing bytes, private boxes, filled free space, bytes that no sample refers to."""
    path = tmp_path / "x.mp4"
    path.write_bytes(clean.read_bytes() + appended)
    assert slug in survivors(path)


def test_a_name_in_the_sample_entry_is_found(clean: Path, tmp_path: Path) -> None:
    """V-09: 31 letters for the encoder's name, and nobody looks there."""
    content = bytearray(clean.read_bytes())
    with opened_boxes(clean) as file:
        entry = dict(all_boxes(file))[b"moov/trak/mdia/minf/stbl/stsd/avc1"]
    content[entry.body + 42 : entry.body + 51] = b"\x08Jane Doe"
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert "encoder_name" in survivors(path)


def test_empty_free_space_is_no_finding_and_the_index_comes_first(clean: Path) -> None:
    """V-09: zeros say nothing; a player can start before the whole file is there."""
    with opened_boxes(clean) as file:
        kinds = [found.kind for found in top_level_boxes(file)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert survivors(clean) == ()
