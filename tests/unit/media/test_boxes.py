"""Are the boxes of an MP4 found, also when they lie?"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendrape.media.boxes import top_level_boxes
from opendrape.media.movie_boxes import all_boxes, blank_user_data, shown_seconds
from tests.unit.media.bytes_file import BytesFile, box


def _movie(user_data: bytes = b"") -> bytes:
    movie_header = box(b"mvhd", bytes(12) + (1000).to_bytes(4) + bytes(80))
    track_header = box(b"tkhd", bytes(20) + (2500).to_bytes(4) + bytes(60))
    return box(b"moov", movie_header + box(b"trak", track_header) + user_data)


def test_boxes_are_walked_with_their_paths() -> None:
    """V-09: what is not found cannot be judged."""
    paths = [path for path, _ in all_boxes(BytesFile(box(b"ftyp", b"isom") + _movie(box(b"udta", b"x"))))]
    assert paths == [b"ftyp", b"moov", b"moov/mvhd", b"moov/trak", b"moov/trak/tkhd", b"moov/udta"]


def test_large_sizes_and_sizes_up_to_the_end_are_understood() -> None:
    """V-09: both spellings of ISO/IEC 14496-12, 4.2."""
    large = (1).to_bytes(4) + b"mdat" + (20).to_bytes(8) + b"abcd"
    rest = (0).to_bytes(4) + b"free" + b"12345"
    assert [(found.kind, found.end - found.body) for found in top_level_boxes(BytesFile(large + rest))] == [
        (b"mdat", 4),
        (b"free", 5),
    ]


def test_how_long_a_movie_is_shown() -> None:
    """V-10: the track's duration in the movie's scale."""
    assert shown_seconds(BytesFile(_movie())) == Fraction(5, 2)
    with pytest.raises(ValueError, match="movie header"):
        shown_seconds(BytesFile(box(b"moov")))


def test_user_data_becomes_zeros_and_nothing_moves(tmp_path: Path) -> None:
    """V-09: blanked in place."""
    path = tmp_path / "movie"
    content = _movie(box(b"udta", b"Jane Doe")) + box(b"mdat", b"picture")
    path.write_bytes(content)
    blank_user_data(path)
    after = path.read_bytes()
    assert len(after) == len(content)
    assert b"Jane" not in after
    assert after.endswith(box(b"mdat", b"picture"))
    assert box(b"free", bytes(8)) in after


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_without_an_error_or_an_endless_loop(content: bytes) -> None:
    """V-09, I-05: boxes come from untrusted files too."""
    assert len(list(all_boxes(BytesFile(content)))) <= len(content)
