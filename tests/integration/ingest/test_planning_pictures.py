"""I-05, I-06: a still picture is planned as one piece of one frame, and never under a video's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opendrape.domain.timeline import FrameSpan
from opendrape.errors import MediaRefused, SourceChanged
from tests.integration.ingest.test_planning import LEASE, handler
from tests.synthetic.picture_files import coded, jpeg_with, scene

PICTURE = replace(LEASE, asset_id="zr-1")


def test_a_picture_is_one_piece_of_one_frame(tmp_path: Path) -> None:
    """I-05, I-06: probed in a child, upright, without a decoder."""
    path = tmp_path / "picture"
    path.write_bytes(jpeg_with(coded(".jpg", scene()), words=b"words", orientation=6))
    planned = handler(tmp_path, path).handle(PICTURE, lambda _share: None)
    assert [chunk.span for chunk in planned.chunks] == [FrameSpan(0, 1)]
    assert (planned.media.is_still, planned.media.width, planned.media.height) == (True, 96, 128)
    assert planned.media.tag_count == 5


def test_a_picture_under_a_videos_name_is_not_planned(tmp_path: Path) -> None:
    """H-02: the file was exchanged after it was registered: neither kind is ever told as the other."""
    path = tmp_path / "picture"
    path.write_bytes(coded(".png", scene()))
    with pytest.raises(SourceChanged):
        handler(tmp_path, path).handle(LEASE, lambda _share: None)


def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """I-05."""
    path = tmp_path / "picture"
    path.write_bytes(coded(".png", scene())[:-20])
    with pytest.raises(MediaRefused) as refused:
        handler(tmp_path, path).handle(PICTURE, lambda _share: None)
    assert refused.value.reason == "truncated"
