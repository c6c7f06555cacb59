"""Does everything that can go wrong in a decoder become a refusal?"""

from __future__ import annotations

import av
import pytest

from opendrape.errors import MediaRefused, StaleLease
from opendrape.media.boundary import refusing
from opendrape.media.limits import MediaLimits
from opendrape.settings import MediaSettings


@pytest.mark.parametrize(
    "error",
    [
        IndexError("tuple index out of range"),
        UnicodeDecodeError("utf-8", b"Jane Doe\xff", 8, 9, "invalid start byte"),
        av.error.InvalidDataError(1, "Jane Doe", "/secret/name.mp4"),
        OSError(5, "input/output error"),
    ],
)
def test_foreign_errors_become_refusals_without_their_words(error: Exception) -> None:
    """I-05: failed with a bounded reason; the message may quote a patient's name and stays behind."""
    with pytest.raises(MediaRefused) as caught, refusing("corrupt"):
        raise error
    assert caught.value.reason == "corrupt"
    assert "Jane" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_running_out_of_memory_is_said_as_such() -> None:
    """I-05: the reason is the memory, not the file's health."""
    with pytest.raises(MediaRefused) as caught, refusing("corrupt"):
        raise MemoryError
    assert caught.value.reason == "needs_too_much_memory"


def test_own_errors_pass_unchanged() -> None:
    """I-05: a lost lease inside the boundary stays a lost lease."""
    with pytest.raises(StaleLease), refusing("corrupt"):
        raise StaleLease


def test_limits_name_what_was_exceeded() -> None:
    """I-05: too many pixels, frames, seconds are three reasons."""
    limits = MediaLimits.from_settings(MediaSettings(max_pixels=100, max_frames=10, max_duration_seconds=5))
    for check, reason in (
        (lambda: limits.check_picture(11, 10), "too_many_pixels"),
        (lambda: limits.check_frames(11), "too_many_frames"),
        (lambda: limits.check_duration(5.1), "too_long"),
    ):
        with pytest.raises(MediaRefused) as caught:
            check()
        assert caught.value.reason == reason
    limits.check_picture(10, 10)
    limits.check_frames(10)
    limits.check_duration(5.0)
