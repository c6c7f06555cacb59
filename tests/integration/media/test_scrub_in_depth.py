"""V-09: a name in any corner of a source is nowhere in the output, and the last check would have seen it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.domain.output_rules import EncodeRule
from opendrape.media.assemble import assemble
from opendrape.media.scrub import survivors
from tests.integration.media.footage import halves, pattern, probed, through, write_chunks
from tests.integration.media.hiding_places import H264_UNITS, HEVC_UNITS, NAME, PLACES, with_unit
from tests.synthetic.canaries import grep_canaries

_X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5", "-bf", "0")
_X265 = (
    "-c:v",
    "libx265",
    "-pix_fmt",
    "yuv420p",
    "-g",
    "5",
    "-tag:v",
    "hvc1",
    "-x265-params",
    "log-level=none:bframes=0",
)


def assert_gone(source: Path, folder: Path) -> None:
    """Raw, UTF-16, base64 and the like: in the source, and in no byte of the output nor of its pieces."""
    assert grep_canaries([source], [NAME]), "the name was never planted"
    _, chunks, written = through(source, folder)
    assert grep_canaries([written, *chunks], [NAME]) == []
    assert survivors(written) == ()


@pytest.mark.parametrize("place", PLACES)
def test_a_name_in_the_container_or_the_stream_is_gone(place: str, tmp_path: Path) -> None:
    """V-09."""
    source = PLACES[place](tmp_path)
    (tmp_path / "out").mkdir()
    assert_gone(source, tmp_path / "out")


@pytest.mark.parametrize("unit", H264_UNITS)
def test_a_name_in_an_h264_unit_is_gone(unit: str, tmp_path: Path) -> None:
    """V-09: every kind of supplemental information, fillers, units that mean nothing."""
    plain = pattern(tmp_path / "plain.mp4", *_X264)
    assert_gone(with_unit(plain, tmp_path / "source.mp4", "h264", H264_UNITS[unit]), tmp_path)


@pytest.mark.parametrize("unit", HEVC_UNITS)
def test_a_name_in_an_hevc_unit_is_gone(unit: str, tmp_path: Path) -> None:
    """V-09."""
    plain = pattern(tmp_path / "plain.mp4", *_X265)
    assert_gone(with_unit(plain, tmp_path / "source.mp4", "hevc", HEVC_UNITS[unit]), tmp_path)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A written file of either codec."""
    written = {}
    for codec in ("h264", "hevc"):
        folder = tmp_path_factory.mktemp(codec)
        source = pattern(folder / "s.mp4", *_X264)
        found = probed(source)
        rule = EncodeRule.model_validate({"codec": codec, "preset": "ultrafast"})
        chunks = write_chunks(source, found, folder, halves(found.timeline), encode=rule)
        written[codec] = folder / "clean.mp4"
        assemble(chunks, written[codec], media=found.media, timeline=found.timeline)
        assert survivors(written[codec]) == ()
    return written


@pytest.mark.parametrize(
    ("codec", "unit"),
    [*(("h264", unit) for unit in H264_UNITS), *(("hevc", unit) for unit in HEVC_UNITS)],
)
def test_the_same_unit_in_the_output_would_be_found(
    codec: str, unit: str, clean: dict[str, Path], tmp_path: Path
) -> None:
    """V-09: the check after writing does not trust the writing."""
    content = (H264_UNITS if codec == "h264" else HEVC_UNITS)[unit]
    spoilt = with_unit(clean[codec], tmp_path / "spoilt.mp4", codec, content)
    assert grep_canaries([spoilt], [NAME]), "the name was never planted"
    assert {"sei", "unexpected_nal_unit"} & set(survivors(spoilt))
