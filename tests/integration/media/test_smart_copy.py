"""Is what was copied the source's, and does a spliced file play, whatever encoder made the source (V-11)?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from opendrape.media.assemble import prove
from opendrape.media.chunk_groups import prove_copied
from opendrape.media.copying import Copyable
from opendrape.media.scrub import survivors
from tests.integration.media.footage import LIMITS, clip, descriptor, ffmpeg, pattern, shown
from tests.integration.media.splicing import (
    Spliced,
    groups_of,
    largest_difference,
    put_together,
    some,
    splice,
    strict_digests,
    with_restriction,
)

_X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "fast")
_CUTS = ("-force_key_frames", "0.6,1.36,2,2.8", "-forced-idr", "1")
_BUFFERED = ("-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M")
_TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "pc")
_OPENH264 = ("-c:v", "libopenh264", "-pix_fmt", "yuv420p", "-b:v", "400k")
_UNEVEN = ("-vf", "select='not(mod(n,3))+not(mod(n,7))'", "-fps_mode", "vfr")
_SCENES = ("-vf", "hue=h='180*mod(floor(t*1.5),2)',negate=enable='lt(mod(t,2),1)'")
_EXTRAS = "slices=4:aud=1:repeat-headers=1:nal-hrd=vbr"
MADE: dict[str, tuple[str, ...]] = {
    "high_pyramid.mp4": (*_X264, "-g", "20", "-bf", "3", "-refs", "4", "-x264-params", "b-pyramid=normal"),
    "main_no_pyramid.mp4": (*_X264, "-profile:v", "main", "-g", "25", "-bf", "2", "-x264-params", "b-pyramid=none"),
    "baseline.mp4": (*_X264, "-profile:v", "baseline", "-g", "15"),
    "one_reference.mp4": (*_X264, "-g", "25", "-bf", "0", "-refs", "1"),
    "many_references.mkv": (*_X264, "-g", "30", "-bf", "8", "-refs", "16", "-x264-params", "b-pyramid=strict"),
    "open_gop.mp4": (*_X264, *_CUTS, "-g", "8", "-bf", "3", "-x264-params", "open-gop=1"),
    "intra_only.mov": (*_X264, "-g", "1"),
    "uneven_times.mp4": (*_X264, "-g", "12", *_UNEVEN),
    "uneven_groups.mkv": (*_X264, *_CUTS, "-g", "250", "-bf", "2"),
    "scene_cuts.mp4": (*_X264, "-g", "250", *_SCENES, "-x264-params", "scenecut=80"),
    "transport.ts": (*_X264, "-g", "25", "-bf", "2"),
    "flash.flv": (*_X264, "-g", "25", "-bf", "2"),
    "fragments.mp4": (*_X264, "-g", "25", "-movflags", "+frag_keyframe+empty_moov"),
    "slices_and_extras.mkv": (*_X264, "-g", "25", *_BUFFERED, "-x264-params", _EXTRAS),
    "tagged_low_delay.mov": (*_X264, "-g", "25", "-tune", "zerolatency", *_TAGS),
    "openh264.mp4": (*_OPENH264, "-g", "25"),
    "openh264_high.mkv": (*_OPENH264, "-profile:v", "high", "-g", "20"),
    "cropped.mp4": (*_X264, "-g", "25", "-vf", "crop=190:122,setsar=4/3"),
}
REAL = (
    "clips/stage_vfr_640x360.mp4",
    "clips/cars_topdown_768x432.mp4",
    "clips/street_cars_640x352.mp4",
    "surgical/laparoscopy_overlay_720p_5s.mp4",
    "odd/tc_nasa_13013.mp4",
    "odd/h264_intra_only.mp4",
)
LONG = (
    "masked_faces/masked_people_handheld_720p_12s.mp4",
    "clips/selfie_608x1080_20s.mp4",
    "surgical/laparoscopy_720p_10s.mp4",
)


def made(name: str, folder: Path) -> Path:
    """One of the sources that are made here."""
    return pattern(folder / name, *MADE[name], seconds="4")


@pytest.mark.parametrize("name", MADE)
def test_a_spliced_file_of_any_encoder_is_the_source_where_it_was_copied(name: str, tmp_path: Path) -> None:
    """V-11: frames outside touched groups identical for 100 %, times equal, strict decode, seeks, a second decoder."""
    _judge(made(name, tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["high_pyramid.mp4", "tagged_low_delay.mov", "cropped.mp4"])
def test_encoded_groups_keep_the_sources_tones(name: str, tmp_path: Path) -> None:
    """V-10, V-11: a head that named the wrong range, or frames in the wrong place, would shift every row."""
    source = made(name, tmp_path)
    assert largest_difference(source, splice(source, tmp_path)) < 10


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs GStreamer with its libav and bad plugins")
@pytest.mark.parametrize("name", ["high_pyramid.mp4", "baseline.mp4", "uneven_times.mp4", "cropped.mp4"])
def test_gstreamer_shows_every_frame(name: str, tmp_path: Path) -> None:
    """V-11: another demuxer and parser, which must find both parameter sets."""
    out = put_together(splice(made(name, tmp_path), tmp_path), tmp_path / "out.mp4")
    raw, meant = tmp_path / "raw", tmp_path / "meant"
    pipeline = f"filesrc location={out} ! qtdemux ! h264parse ! avdec_h264 ! videocodectestsink location={raw}"
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True, capture_output=True, timeout=60)
    ffmpeg("-noautorotate", "-i", out, "-map", "0:V:0", "-fps_mode", "passthrough", "-f", "rawvideo", meant)
    assert raw.read_bytes() == meant.read_bytes()


@pytest.mark.media
@pytest.mark.parametrize("name", [*REAL, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_a_spliced_clip_from_the_world_is_the_source_where_it_was_copied(name: str, tmp_path: Path) -> None:
    """V-11: other encoders than ours: recorders, phones, old x264, web services."""
    _judge(clip(name), tmp_path)


@pytest.mark.parametrize(("frames", "container"), [("3", "mp4"), ("1", "mkv"), ("0", "mp4")])
def test_a_source_that_does_not_say_how_it_reorders_is_copied_too(frames: str, container: str, tmp_path: Path) -> None:
    """V-11: then what the container shows is what decoders and we go by."""
    said = pattern(tmp_path / f"said.{container}", *_X264, "-g", "20", "-bf", frames, seconds="3")
    source = with_restriction(said, tmp_path / f"s.{container}", "0")
    groups = groups_of(source)
    assert isinstance(groups, Copyable)
    assert groups.head.sequence.restriction is None
    _judge(source, tmp_path)


def _judge(source: Path, folder: Path) -> None:
    spliced = splice(source, folder)
    assert spliced.copied
    assert len(spliced.copied_frames) < len(spliced.found.timeline)
    out = put_together(spliced, folder / "out.mp4")
    _prove(source, spliced, out)
    before, after = shown(source), shown(out)
    assert [after.digests[frame] for frame in spliced.copied_frames] == [
        before.digests[frame] for frame in spliced.copied_frames
    ]
    origin = spliced.found.media.origin_tick
    assert list(after.seconds) == [
        (tick - origin) * spliced.found.timeline.time_base for tick in spliced.found.timeline.ticks
    ]
    frames = strict_digests(out)
    assert strict_digests(out, at=some([tick for tick, _ in frames], 20)) == some(frames, 20)
    _agree(of_second_decoder(source), of_second_decoder(out), spliced)


def _agree(source: list[str], out: list[str], spliced: Spliced) -> None:
    """OpenH264 is not exact in B frames, not even in a source; but copied ones must look to it as in the source."""
    assert len(out) == len(spliced.found.timeline)
    assert [out[frame] for frame in spliced.copied_frames] == [source[frame] for frame in spliced.copied_frames]


def _prove(source: Path, spliced: Spliced, out: Path) -> None:
    prove(out, list(spliced.chunks), media=spliced.found.media, timeline=spliced.found.timeline)
    assert survivors(out) == ()
    with descriptor(source) as number:
        for chunk, span in zip(spliced.chunks, spliced.spans, strict=True):
            spans = [copied for copied in spliced.copied if copied.start in span]
            assert prove_copied(chunk, number, source=spliced.source, spans=spans, limits=LIMITS) == sum(
                map(len, spans)
            )


def of_second_decoder(path: Path) -> list[str]:
    """Digests by OpenH264, which shares no code with FFmpeg's own decoder."""
    how = ("-map", "0:V:0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    text = ffmpeg("-xerror", "-noautorotate", "-c:v", "libopenh264", "-i", path, *how)
    return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]
