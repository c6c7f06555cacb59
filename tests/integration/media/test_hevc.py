"""Is a video written as HEVC as faithful, as clean and as repeatable as one written as H.264?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendrape.domain.output_rules import EncodeRule
from opendrape.errors import FidelityBroken, MediaRefused
from opendrape.media.assemble import assemble, prove
from opendrape.media.coded_units import HEVC
from opendrape.media.movie_boxes import all_boxes, opened_boxes
from opendrape.media.nal_units import length_prefixed_units
from opendrape.media.scrub import survivors
from opendrape.media.writer import ChunkWriter
from tests.integration.media.footage import clip, ffmpeg, halves, pattern, probed, shown, write_chunks

RULE = EncodeRule(codec="hevc", preset="ultrafast", crf=24)
KEPT = {
    *("width", "height", "bit_depth", "sample_aspect_ratio", "display_matrix", "field_order", "colour"),
    *("frame_count", "pixel_format"),
}
LAYOUTS = {
    "8_420.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p"),
    "8_422.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv422p"),
    "8_444.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "10_420.mp4": ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"),
    "10_422.mp4": ("-c:v", "libx265", "-pix_fmt", "yuv422p10le", "-x265-params", "log-level=none"),
    "10_444.mp4": ("-c:v", "libx265", "-pix_fmt", "yuv444p10le", "-x265-params", "log-level=none"),
    "aspect.mp4": ("-c:v", "libx264", "-vf", "setsar=4/3", "-pix_fmt", "yuv420p"),
    "colours.mp4": (
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-color_primaries", "bt2020", "-color_trc", "arib-std-b67"),
        *("-colorspace", "bt2020nc"),
    ),
    "vfr.mkv": ("-c:v", "libx264", "-vf", "select='mod(n,3)+mod(n,2)'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p"),
    "small.mp4": ("-c:v", "libx264", "-vf", "scale=64:34", "-pix_fmt", "yuv420p"),
}


def written_as_hevc(source: Path, folder: Path) -> Path:
    """Two chunks of HEVC, assembled and proven."""
    found = probed(source)
    chunks = write_chunks(source, found, folder, halves(found.timeline), encode=RULE)
    destination = folder / "hevc.mp4"
    assemble(chunks, destination, media=found.media, timeline=found.timeline)
    prove(destination, chunks, media=found.media, timeline=found.timeline)
    return destination


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_depth_tags_and_times_are_kept(name: str, tmp_path: Path) -> None:
    """V-10: two chunks, one file; nothing in it but pictures."""
    source = pattern(tmp_path / name, *LAYOUTS[name])
    written = written_as_hevc(source, tmp_path)
    found, again = probed(source), probed(written)
    assert again.media.codec == "hevc"
    assert again.media.model_dump(include=KEPT) == found.media.model_dump(include=KEPT)
    assert survivors(written) == ()
    seconds = [(tick - found.media.origin_tick) * found.timeline.time_base for tick in found.timeline.ticks]
    assert list(shown(written).seconds) == seconds


@pytest.mark.media
@pytest.mark.parametrize("name", ["rotated90_displaymatrix.mp4", "tc_h265_10bits.mp4", "mpegts.ts", "one_frame.mp4"])
def test_odd_files_become_hevc(name: str, tmp_path: Path) -> None:
    """V-10: rotation, ten bits, a transport clock, a single frame."""
    source = clip(f"odd/{name}")
    written = written_as_hevc(source, tmp_path)
    assert probed(written).media.model_dump(include=KEPT) == probed(source).media.model_dump(include=KEPT)
    assert survivors(written) == ()


def test_there_is_no_text_and_every_player_knows_the_tag(tmp_path: Path) -> None:
    """V-09: neither x265's settings nor FFmpeg's name; parameter sets in the sample description only."""
    written = written_as_hevc(pattern(tmp_path / "s.mp4", "-c:v", "libx264"), tmp_path)
    content = written.read_bytes()
    assert not any(word in content for word in (b"x265", b"x264", b"Lavc", b"Lavf", b"HEVC"))
    with opened_boxes(written) as file:
        kinds = [path for path, _ in all_boxes(file)]
        (samples,) = (file.at(box.body, box.end - box.body) for path, box in all_boxes(file) if path == b"mdat")
    assert b"moov/trak/mdia/minf/stbl/stsd/hvc1/hvcC" in kinds
    assert {HEVC.kind(unit) for unit in length_prefixed_units(samples)} <= HEVC.pictures


def test_text_in_the_bitstream_is_found(tmp_path: Path) -> None:
    """V-09: what x265 writes by itself, and units that nobody needs."""
    plain = pattern(tmp_path / "plain.mp4", "-c:v", "libx265", "-tag:v", "hvc1", "-bitexact")
    assert "sei" in survivors(plain)
    without = tmp_path / "without.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "filter_units=remove_types=39|40", "-bitexact", without)
    assert "sei" in survivors(without), "no packet holds it any more, but the configuration does"
    assert "unexpected_nal_unit" not in survivors(without)
    aud = tmp_path / "aud.mp4"
    ffmpeg("-i", without, "-c", "copy", "-bsf:v", "hevc_metadata=aud=insert", "-bitexact", aud)
    assert "unexpected_nal_unit" in survivors(aud)


def test_the_same_pictures_become_the_same_bytes_whatever_lies_in_memory(tmp_path: Path) -> None:
    """I-06: a chunk that is done twice has one name."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", size="320x240", seconds="2")
    digests = set()
    for filling in ("1", "90", "200"):
        run = subprocess.run(
            [sys.executable, "-c", _WRITE_ONE, str(source), str(tmp_path / filling)],
            env={**os.environ, "MALLOC_PERTURB_": filling, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_the_smallest_picture_that_is_taken_stays_inside_the_encoders_memory(tmp_path: Path) -> None:
    """V-10: glibc ends a process that wrote beside what it was given; 48 x 32 does."""
    if not list(Path("/usr/lib").glob("*/" + _CHECKED_ALLOCATOR)):
        pytest.skip(f"no {_CHECKED_ALLOCATOR} on this machine")
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", size="64x32")
    checked = {"LD_PRELOAD": _CHECKED_ALLOCATOR, "GLIBC_TUNABLES": "glibc.malloc.check=3"}
    run = subprocess.run(
        [sys.executable, "-c", _WRITE_ONE, str(source), str(tmp_path / "chunk")],
        env={**os.environ, **checked, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


_CHECKED_ALLOCATOR = "libc_malloc_debug.so.0"

_WRITE_ONE = """
import hashlib, sys
from pathlib import Path
from opendrape.domain.output_rules import EncodeRule
from opendrape.media.writer import ChunkWriter
from tests.integration.media.footage import pictures, probed
source, chunk = Path(sys.argv[1]), Path(sys.argv[2])
found = probed(source)
with ChunkWriter(chunk, media=found.media, encode=EncodeRule(codec="hevc"), threads=2) as writer:
    for picture in pictures(source, found):
        writer.write(picture)
print(hashlib.sha256(chunk.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize(
    ("arguments", "size", "reason"),
    [
        (
            ("-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "tff=1"),
            "96x64",
            "interlaced_unsupported_in_hevc",
        ),
        (("-c:v", "libx264"), "96x16", "too_small_for_hevc"),
        (("-c:v", "libx264"), "48x64", "too_small_for_hevc"),  # x265 would write beside its memory
    ],
)
def test_what_hevc_cannot_keep_is_refused(arguments: tuple[str, ...], size: str, reason: str, tmp_path: Path) -> None:
    """V-10: never changed in silence."""
    found = probed(pattern(tmp_path / "s.mp4", *arguments, "-pix_fmt", "yuv420p", size=size))
    with (
        pytest.raises(MediaRefused) as caught,
        ChunkWriter(tmp_path / "chunk", media=found.media, encode=RULE, threads=2),
    ):
        pass
    assert caught.value.reason == reason


def test_chunks_of_two_codecs_do_not_fit(tmp_path: Path) -> None:
    """V-10: one set of parameters for one file."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264")
    found = probed(source)
    first, second = halves(found.timeline)
    one = write_chunks(source, found, tmp_path, [first], encode=RULE)
    (tmp_path / "h264").mkdir()
    other = write_chunks(source, found, tmp_path / "h264", [second])
    with pytest.raises(FidelityBroken) as caught:
        assemble([*one, *other], tmp_path / "no.mp4", media=found.media, timeline=found.timeline)
    assert caught.value.reason == "chunks_do_not_fit"
