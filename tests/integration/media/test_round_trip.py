"""Is what is written exactly what was read: every frame, every tick, every display fact, and nothing else?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.assemble import assemble, prove
from opendrape.media.probe import ProbeResult
from opendrape.media.scrub import removed, survivors
from opendrape.media.writer import ChunkWriter, read_chunk
from tests.integration.media.footage import FAST, clip, ffmpeg, pattern, pictures, probed, shown, through, write_chunks

SOURCES = (
    "vfr.mp4",
    "rotated90_displaymatrix.mp4",
    "hflip_displaymatrix.mp4",
    "h264_high10.mp4",
    "h264_444.mp4",
    "h264_size_638x358_crop.mp4",
    "h264_sar_4_3.mp4",
    "h264_fullrange_j420.mp4",
    "h264_interlaced_tff.mp4",
    "negative_start_editlist.mp4",
    "fragmented.mp4",
    "mpegts.ts",
    "mjpeg.avi",
    "prores.mov",
    "tc_h265_10bits.mp4",
    "tc_nasa_13013.mp4",
    "vp9.webm",
    "flv1.flv",
    "h264_intra_only.mp4",
    "one_frame.mp4",
    "tiny_16x16.mp4",
    "fps_120.mp4",
    "subtitles_movtext_chapters_meta.mp4",
    "cover_art_attached_pic.mp4",
)
_KEPT = (
    *("width", "height", "bit_depth", "sample_aspect_ratio", "display_matrix", "field_order", "colour"),
    "frame_count",
)


@pytest.mark.media
@pytest.mark.parametrize("name", SOURCES)
def test_two_chunks_become_one_file_that_shows_the_same_at_the_same_times(name: str, tmp_path: Path) -> None:
    """V-09, V-10, I-06: proven by ourselves, found clean, and probed anew like the source."""
    found, chunks, destination = through(clip(f"odd/{name}"), tmp_path)
    prove(destination, chunks, media=found.media, timeline=found.timeline)
    assert survivors(destination) == ()
    again = probed(destination)
    assert again.media.model_dump(include=set(_KEPT)) == found.media.model_dump(include=set(_KEPT))
    assert _seconds(again) == _seconds(found)
    assert again.timeline.duration == found.timeline.duration
    assert again.media.other_streams == type(again.media.other_streams)()


def _seconds(found: ProbeResult) -> list[Fraction]:
    """When each frame is shown after time zero of its container."""
    origin = found.media.origin_tick
    return [(tick - origin) * found.timeline.time_base for tick in found.timeline.ticks]


@pytest.mark.media
@pytest.mark.parametrize("name", ["vfr.mp4", "mpegts.ts", "h264_interlaced_tff.mp4"])
def test_another_ffmpeg_shows_the_written_file_at_the_sources_times(name: str, tmp_path: Path) -> None:
    """V-10: not only our own eyes."""
    found, _, destination = through(clip(f"odd/{name}"), tmp_path)
    assert list(shown(destination).seconds) == _seconds(found)


@pytest.mark.media
def test_late_starting_video_starts_late_in_the_output(tmp_path: Path) -> None:
    """V-10: 10214 ticks of 1/11988 s before the first frame, as in the source."""
    found, chunks, destination = through(clip("clips/stage_vfr_640x360.mp4"), tmp_path)
    prove(destination, chunks, media=found.media, timeline=found.timeline)
    assert shown(destination).seconds[0] == Fraction(10214, 11988)


@pytest.mark.parametrize(
    ("size", "encoding"),
    [
        ("322x242", ("-c:v", "mpeg4", "-bf", "2", "-video_track_timescale", "30000")),
        ("192x128", ("-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-color_trc", "arib-std-b67")),
        ("192x128", ("-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "bff=1")),
        ("322x242", ("-c:v", "mjpeg", "-pix_fmt", "yuvj444p")),
    ],
)
def test_made_sources_go_through(size: str, encoding: tuple[str, ...], tmp_path: Path) -> None:
    """V-10: layouts, rates and field orders that no clip has."""
    source = pattern(tmp_path / "source.mov", *encoding, size=size, rate="30000/1001")
    found, chunks, destination = through(source, tmp_path)
    prove(destination, chunks, media=found.media, timeline=found.timeline)
    assert survivors(destination) == ()
    kept = set(_KEPT)
    assert probed(destination).media.model_dump(include=kept) == found.media.model_dump(include=kept)


@pytest.fixture
def written(tmp_path: Path) -> tuple[ProbeResult, list[Path], Path]:
    """A small source with B frames, as two chunks and one file."""
    source = pattern(tmp_path / "source.mp4", "-c:v", "libx264", "-bf", "2", "-metadata", "title=Jane Doe")
    return through(source, tmp_path)


def test_chunks_read_back_have_the_sources_ticks(written: tuple[ProbeResult, list[Path], Path]) -> None:
    """V-10: the check of a chunk compares pictures by tick."""
    found, chunks, _ = written
    ticks = [[picture.tick for picture in read_chunk(chunk, media=found.media, threads=2)] for chunk in chunks]
    assert ticks[0] + ticks[1] == list(found.timeline.ticks)
    indices = [picture.index for picture in read_chunk(chunks[1], media=found.media, threads=2)]
    assert indices == list(range(len(indices)))


def test_chunks_carry_no_sei_and_no_encoder_name(written: tuple[ProbeResult, list[Path], Path]) -> None:
    """V-09: x264 writes its settings into the first picture unless it is stopped."""
    _, chunks, destination = written
    for path in (*chunks, destination):
        content = path.read_bytes()
        assert b"x264" not in content
        assert b"Lavf" not in content
        assert b"Lavc" not in content
        assert b"Jane" not in content


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("rotation_differs", lambda media: {"display_matrix": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)}),
        ("sample_aspect_differs", lambda media: {"sample_aspect_ratio": (4, 3)}),
        ("geometry_differs", lambda media: {"height": media.height - 2}),
        ("colour_differs", lambda media: {"colour": media.colour.model_copy(update={"matrix": 1})}),
        ("field_order_differs", lambda media: {"field_order": "top_first"}),
        ("pixel_format_differs", lambda media: {"pixel_format": "yuv444p"}),
    ],
)
def test_proof_fails_when_a_fact_differs(
    written: tuple[ProbeResult, list[Path], Path], reason: str, change: Callable[[MediaInfo], dict[str, object]]
) -> None:
    """V-10: each kept fact is really looked at."""
    found, chunks, destination = written
    other = found.media.model_copy(update=change(found.media))
    with pytest.raises(FidelityBroken) as caught:
        prove(destination, chunks, media=other, timeline=found.timeline)
    assert caught.value.reason == reason


def test_proof_fails_when_times_or_packets_differ(written: tuple[ProbeResult, list[Path], Path]) -> None:
    """V-10: one tick, one exchanged chunk, one missing chunk, one byte."""
    found, chunks, destination = written
    media, timeline = found.media, found.timeline
    longer = type(timeline)(timeline.time_base, timeline.ticks, timeline.key_frames, timeline.end_tick + 1)
    later = type(timeline)(
        timeline.time_base, (*timeline.ticks[:-1], timeline.ticks[-1] + 1), timeline.key_frames, timeline.end_tick
    )
    content = bytearray(destination.read_bytes())
    content[-1] ^= 1
    changed = destination.with_name("changed.mp4")
    changed.write_bytes(content)
    for path, pieces, times, reason in (
        (destination, chunks, longer, "duration_differs"),
        (destination, chunks, later, "ticks_differ"),
        (destination, chunks[::-1], timeline, "packet_differs"),
        (destination, chunks[:1], timeline, "packet_count_differs"),
        (changed, chunks, timeline, "packet_differs"),
    ):
        with pytest.raises(FidelityBroken) as caught:
            prove(path, pieces, media=media, timeline=times)
        assert caught.value.reason == reason


def test_chunks_that_are_not_the_timeline_are_not_assembled(written: tuple[ProbeResult, list[Path], Path]) -> None:
    """V-10, I-06: a lost or doubled chunk never becomes a file."""
    found, chunks, destination = written
    for pieces in (chunks[:1], [*chunks, chunks[1]]):
        with pytest.raises(FidelityBroken) as caught:
            assemble(pieces, destination.with_name("no.mp4"), media=found.media, timeline=found.timeline)
        assert caught.value.reason == "ticks_differ"


def test_the_encoder_chooses_its_own_key_frames(tmp_path: Path) -> None:
    """V-10: a source of key frames only would otherwise become a file several times its size."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264", "-g", "1")
    found, _, destination = through(source, tmp_path)
    assert found.media.key_frames == 25
    assert probed(destination).media.key_frames == 2


def test_pictures_out_of_order_are_not_written(tmp_path: Path) -> None:
    """V-10: the encoder would shift their times."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264")
    found = probed(source)
    first, second = pictures(source, found, FrameSpan(0, 2))
    with ChunkWriter(tmp_path / "c", media=found.media, encode=FAST, threads=1) as writer:
        writer.write(second)
        for early in (first, second):
            with pytest.raises(FidelityBroken):
                writer.write(early)


_PATH = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(Path(__file__).resolve().parents[3])))
_WRITE_ONE = """
import hashlib, sys
from pathlib import Path
from opendrape.domain.policy import EncodeRule
from opendrape.media.writer import ChunkWriter
from tests.integration.media.footage import pictures, probed
source, chunk = Path(sys.argv[1]), Path(sys.argv[2])
found = probed(source)
with ChunkWriter(chunk, media=found.media, encode=EncodeRule(), threads=2) as writer:
    for picture in pictures(source, found):
        writer.write(picture)
print(hashlib.sha256(chunk.read_bytes()).hexdigest())
"""


def test_the_same_pictures_become_the_same_bytes_whatever_lies_in_memory(tmp_path: Path) -> None:
    """I-06: a chunk that is done twice has one name; glibc fills fresh memory with other bytes each time."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", size="320x240", seconds="2")
    digests = set()
    for filling in ("1", "90", "200"):
        run = subprocess.run(
            [sys.executable, "-c", _WRITE_ONE, str(source), str(tmp_path / filling)],
            env={**os.environ, "MALLOC_PERTURB_": filling, "PYTHONPATH": _PATH},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_what_was_left_behind_is_counted(tmp_path: Path) -> None:
    """V-09: the receipt says what is gone."""
    source = tmp_path / "s.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=192x128:r=25:d=1", "-f", "lavfi", "-i", "sine=d=1"),
        *("-metadata", "title=Jane Doe", "-c:v", "libx264", source),
    )
    counts = removed(probed(source).media)
    assert counts["audio_streams"] == 1
    assert counts["tags_and_chapters"] > 0
    assert "subtitle_streams" not in counts


def test_chunks_of_different_parameters_do_not_fit(tmp_path: Path) -> None:
    """V-10: one file has one set of parameters; others would be decoded wrongly."""
    source = pattern(tmp_path / "s.mp4", "-c:v", "libx264")
    found = probed(source)
    first, _ = write_chunks(source, found, tmp_path, [FrameSpan(0, 12), FrameSpan(12, 25)])
    other = tmp_path / "other"
    with ChunkWriter(
        other, media=found.media, encode=FAST.model_copy(update={"preset": "medium"}), threads=1
    ) as writer:
        for picture in pictures(source, found, FrameSpan(12, 25)):
            writer.write(picture)
    with pytest.raises(FidelityBroken) as caught:
        assemble([first, other], tmp_path / "no.mp4", media=found.media, timeline=found.timeline)
    assert caught.value.reason == "chunks_do_not_fit"
