"""Can a picture be painted without harm to what the decoder still needs?"""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from opendrape.media.picture import Picture


def _frame(pixel_format: str = "yuv420p", value: int = 7) -> VideoFrame:
    frame = VideoFrame(32, 16, pixel_format)
    for plane in frame.planes:
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


@pytest.mark.parametrize(
    ("pixel_format", "chroma", "sample_bytes", "bits"),
    [
        ("yuv420p", (16, 8), 1, 8),
        ("yuv422p", (16, 16), 1, 8),
        ("yuv444p", (32, 16), 1, 8),
        ("yuv420p10le", (16, 8), 2, 10),
    ],
)
def test_planes_say_their_own_size(pixel_format: str, chroma: tuple[int, int], sample_bytes: int, bits: int) -> None:
    """V-10: geometry and depth are the source's."""
    picture = Picture(_frame(pixel_format), index=3, tick=90)
    luma, blue, red = picture.planes
    assert (luma.width, luma.height) == (32, 16)
    assert (blue.width, blue.height) == (red.width, red.height) == chroma
    assert luma.sample_bytes == sample_bytes
    assert picture.bit_depth == bits
    assert all(len(plane.memory) == plane.stride * plane.height for plane in picture.planes)
    assert picture.byte_size == sum(len(plane.memory) for plane in picture.planes)


def test_views_for_reading_cannot_be_written() -> None:
    """V-10: only what is painted on purpose changes."""
    assert all(plane.memory.readonly for plane in Picture(_frame(), index=0, tick=0).planes)


def test_painting_changes_the_frame_that_is_encoded() -> None:
    """V-10: no copy on the way to the encoder."""
    picture = Picture(_frame(), index=0, tick=0)
    picture.writable_planes()[0].memory[5] = 200
    assert bytes(picture.frame.planes[0])[5] == 200
    assert picture.planes[0].memory[5] == 200


def test_a_view_taken_before_painting_stays_valid_and_unpainted() -> None:
    """V-10: what somebody still looks at is neither freed nor painted."""
    picture = Picture(_frame(), index=0, tick=0)
    looked_at = np.frombuffer(picture.planes[0].memory, np.uint8)
    painted = picture.writable_planes()[0].memory
    painted[:] = bytes([200]) * len(painted)
    del picture
    assert set(looked_at.tolist()) == {7}


def test_without_anybody_looking_painting_copies_nothing() -> None:
    """V-10: speed; a frame that nobody else needs is painted in place."""
    picture = Picture(_frame(), index=0, tick=0)
    before = picture.frame.planes[0].buffer_ptr
    assert picture.planes
    picture.writable_planes()
    assert picture.frame.planes[0].buffer_ptr == before


def test_full_range_is_known_by_format_or_tag() -> None:
    """V-10: black is 0 in one and 16 in the other."""
    assert Picture(_frame("yuvj420p"), index=0, tick=0).full_range
    assert not Picture(_frame(), index=0, tick=0).full_range
    tagged = _frame()
    tagged.color_range = 2
    assert Picture(tagged, index=0, tick=0).full_range
