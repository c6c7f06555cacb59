"""V-10: every kind of video that the fidelity table names is kept exactly or refused with a reason, never changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.fidelity_sources import MADE, Made, edited, make, turned, two_sizes

from opendrape.errors import FidelityBroken, MediaRefused
from opendrape.media.probe import ProbeResult
from opendrape.media.prove import prove
from opendrape.media.scrub import survivors
from tests.integration.media.footage import probed, shown, through

REFUSED = {
    "hevc_grey.mp4": "unsupported_pixel_format",
    "hevc_12.mp4": "unsupported_pixel_format",
    "mjpeg_odd.avi": "odd_size_unsupported",
    "ffv1.mkv": "unsupported_codec",
    "hdr10.mp4": "hdr_metadata_unsupported",
    "mbaff_tff.mp4": "field_order_differs",
    "two_sizes.ts": "changing_resolution",
}
KEPT = {
    *("width", "height", "bit_depth", "sample_aspect_ratio", "display_matrix", "field_order", "colour"),
    "frame_count",
}


def proven(source: Path, folder: Path) -> tuple[ProbeResult, Path]:
    """What was found in ``source``, and what was written of it."""
    found, chunks, written = through(source, folder)
    prove(written, chunks, media=found.media, timeline=found.timeline)
    return found, written


def assert_kept_or_refused(source: Path, folder: Path) -> None:
    """The outcome that the table promises for this file."""
    if source.name in REFUSED:
        with pytest.raises((MediaRefused, FidelityBroken)) as caught:
            proven(source, folder)
        assert caught.value.reason == REFUSED[source.name]
        return
    found, written = proven(source, folder)
    assert survivors(written) == ()
    assert probed(written).media.model_dump(include=KEPT) == found.media.model_dump(include=KEPT)
    origin, unit = found.media.origin_tick, found.timeline.time_base
    assert list(shown(written).seconds) == [(tick - origin) * unit for tick in found.timeline.ticks]


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
def test_what_is_generated_is_kept_or_refused(made: Made, tmp_path: Path) -> None:
    """V-10: codec, depth, chroma, tags, times, fields, geometry."""
    source = make(made, tmp_path, seconds="0.6")
    if source is None:
        pytest.skip("this machine's FFmpeg cannot make the file")
    (tmp_path / "out").mkdir()
    assert_kept_or_refused(source, tmp_path / "out")


@pytest.mark.parametrize("special", [turned, two_sizes, edited], ids=lambda special: special.__name__)
def test_what_is_made_of_others_is_kept_or_refused(special: Callable[[Path], tuple[str, Path]], tmp_path: Path) -> None:
    """V-10: turned and mirrored, two sizes in one stream, an edit list between key frames."""
    for made in MADE:
        if made.name in ("h264_420.mp4", "open_gop.mp4"):
            make(made, tmp_path)
    _, source = special(tmp_path)
    (tmp_path / "out").mkdir()
    assert_kept_or_refused(source, tmp_path / "out")
