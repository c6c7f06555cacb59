"""Does what is probed and read agree, frame by frame, with another build of FFmpeg?"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from hashlib import md5
from itertools import pairwise
from pathlib import Path

import pytest

from opendrape.domain.media_info import FieldOrder
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import MediaRefused
from opendrape.media.limits import MediaLimits
from opendrape.media.reader import Picture, read_pictures
from tests.integration.media.footage import LIMITS, clip, descriptor, pattern, pictures, probed, shown

pytestmark = pytest.mark.media


@dataclass(frozen=True)
class Expected:
    """Facts of one clip that a person looked up."""

    frames: int
    codec: str = "h264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (752, 416)


ODD = {
    "cover_art_attached_pic.mp4": Expected(50),
    "flv1.flv": Expected(48, "flv"),
    "fps_120.mp4": Expected(120),
    "fragmented.mp4": Expected(98),
    "h264_444.mp4": Expected(48, pixel_format="yuv444p"),
    "h264_baseline_nob.mp4": Expected(48),
    "h264_fullrange_j420.mp4": Expected(48, pixel_format="yuvj420p"),
    "h264_high10.mp4": Expected(48, pixel_format="yuv420p10le"),
    "h264_interlaced_tff.mp4": Expected(50, size=(720, 576)),
    "h264_intra_only.mp4": Expected(48),
    "h264_sar_4_3.mp4": Expected(48, size=(720, 576)),
    "h264_size_638x358_crop.mp4": Expected(48, size=(638, 358)),
    "hevc_main_hvc1.mp4": Expected(72, "hevc"),
    "hflip_displaymatrix.mp4": Expected(50),
    "huge_7680x4320_3f.mp4": Expected(3, size=(7680, 4320)),
    "mjpeg.avi": Expected(48, "mjpeg", "yuvj420p"),
    "mpegts.ts": Expected(74),
    "multi_audio_3.mkv": Expected(74),
    "negative_start_editlist.mp4": Expected(74),
    "no_audio.mp4": Expected(74),
    "one_frame.mp4": Expected(1),
    "prores.mov": Expected(24, "prores", "yuv422p10le", (376, 208)),
    "rotated90_displaymatrix.mp4": Expected(50),
    "subtitles_movtext_chapters_meta.mp4": Expected(98),
    "tc_h265_10bits.mp4": Expected(30, "hevc", "yuv420p10le", (200, 200)),
    "tc_nasa_13013.mp4": Expected(325, size=(320, 180)),
    "tiny_16x16.mp4": Expected(25, size=(16, 16)),
    "vfr.mp4": Expected(72),
    "vp9.webm": Expected(72, "vp9"),
}
REFUSED = {
    "anim.gif": "unsupported_container",
    "audio_only.m4a": "audio_only",
    "text_named.mp4": "not_a_video",
    "truncated_60pct_moov_missing.mp4": "truncated",
    "zero_length.mp4": "empty_file",
}
REAL = (
    "bench/face_720p30_12s.mp4",
    "clips/ai_crowd_752x416_6s.mp4",
    "clips/cars_topdown_768x432.mp4",
    "clips/signing_man_640x480.mkv",
    "clips/stage_vfr_640x360.mp4",
    "clips/street_cars_640x352.mp4",
    "surgical/laparoscopy_720p_10s.mp4",
    "surgical/laparoscopy_overlay_720p_5s.mp4",
    "surgical/suturing_1080p_1s.mp4",
)
MADE = {
    "xvid.avi": ("-c:v", "mpeg4", "-bf", "2", "-vtag", "XVID"),
    "h264_b_frames.avi": ("-c:v", "libx264", "-bf", "2"),
    "windows.wmv": ("-c:v", "wmv2"),
    "hidden_frames.webm": ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "300k"),
    "dvd.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "flash.flv": ("-c:v", "libx264"),
    "open_gop.mp4": ("-c:v", "libx265", "-x265-params", "keyint=8:open-gop=1:log-level=none"),
    "open_gop.mkv": ("-c:v", "libx264", "-x264-params", "keyint=8:min-keyint=8:open-gop=1:bframes=3"),
    "part2.mp4": ("-c:v", "mpeg4", "-bf", "2"),
    "blu_ray.m2ts": ("-c:v", "libx264", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
}


def _pixels(picture: Picture) -> str:
    digest = md5()
    for plane in picture.planes:
        row = plane.width * plane.sample_bytes
        for start in range(0, plane.stride * plane.height, plane.stride):
            digest.update(plane.memory[start : start + row])
    return digest.hexdigest()


def _assert_read_like_ffmpeg(path: Path) -> None:
    found, truth = probed(path), shown(path)
    timeline = found.timeline
    assert len(timeline) == found.media.frame_count == len(truth.seconds)
    # the other FFmpeg writes times in a base of its own choice for some containers: distances are what can be compared
    first = truth.seconds[0]
    assert [timeline.seconds(frame) for frame in range(len(timeline))] == [second - first for second in truth.seconds]
    read = list(map(_pixels_and_time, pictures(path, found)))
    assert [digest for digest, _, _ in read] == list(truth.digests)
    assert [tick for _, tick, _ in read] == list(timeline.ticks)
    assert [index for _, _, index in read] == list(range(len(timeline)))


def _pixels_and_time(picture: Picture) -> tuple[str, int, int]:
    return _pixels(picture), picture.tick, picture.index


@pytest.mark.parametrize("name", [name for name in ODD if not name.startswith("huge")])
def test_odd_files_are_read_like_another_ffmpeg_reads_them(name: str) -> None:
    """I-05, V-10: the same frames, the same pixels, the same times."""
    _assert_read_like_ffmpeg(clip(f"odd/{name}"))


@pytest.mark.parametrize("name", MADE)
def test_other_containers_and_codecs_are_read_like_another_ffmpeg_reads_them(name: str, tmp_path: Path) -> None:
    """I-02, I-05: containers without exact times are decoded to find them."""
    _assert_read_like_ffmpeg(pattern(tmp_path / name, *MADE[name]))


@pytest.mark.parametrize("name", ODD)
def test_the_facts_of_odd_files(name: str) -> None:
    """I-05: count, codec, layout and size are exact."""
    media, expected = probed(clip(f"odd/{name}")).media, ODD[name]
    assert media.frame_count == expected.frames
    assert (media.codec, media.pixel_format) == (expected.codec, expected.pixel_format)
    assert (media.width, media.height) == expected.size


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused_with_its_own_reason(name: str) -> None:
    """I-02, I-05: reported, never skipped."""
    with pytest.raises(MediaRefused) as caught:
        probed(clip(f"odd/{name}"))
    assert caught.value.reason == REFUSED[name]


@pytest.mark.parametrize("name", REAL)
def test_real_clips_are_counted_and_timed_like_another_ffmpeg_does(name: str) -> None:
    """I-05: the timeline of real footage is exact."""
    path = clip(name)
    found, truth = probed(path), shown(path)
    assert [found.timeline.seconds(frame) for frame in range(len(found.timeline))] == [
        second - truth.seconds[0] for second in truth.seconds
    ]
    assert (found.media.width, found.media.height) == truth.size


def test_display_and_signal_facts() -> None:
    """I-05, V-10: what the output has to keep."""
    assert probed(clip("odd/h264_sar_4_3.mp4")).media.sample_aspect_ratio == (16, 11)
    assert probed(clip("odd/h264_interlaced_tff.mp4")).media.field_order is FieldOrder.TOP_FIRST
    assert probed(clip("odd/h264_fullrange_j420.mp4")).media.colour.full_range
    assert probed(clip("odd/h264_high10.mp4")).media.bit_depth == 10
    assert probed(clip("odd/vfr.mp4")).media.variable_frame_rate
    turned = probed(clip("odd/rotated90_displaymatrix.mp4")).media.display_matrix
    assert turned is not None
    assert turned[:5] == (0, -65536, 0, 65536, 0)
    assert probed(clip("odd/no_audio.mp4")).media.display_matrix is None


def test_bottom_field_first_is_told_from_top_field_first(tmp_path: Path) -> None:
    """V-10: the wrong order makes motion jitter."""
    path = pattern(tmp_path / "bff.mp4", "-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "bff=1")
    assert probed(path).media.field_order is FieldOrder.BOTTOM_FIRST


def test_other_streams_are_counted_by_kind_and_tags_by_number() -> None:
    """I-05, V-09: what will not be in the output."""
    media = probed(clip("odd/subtitles_movtext_chapters_meta.mp4")).media
    assert (media.other_streams.audio, media.other_streams.subtitle, media.other_streams.data) == (1, 1, 1)
    assert media.other_streams.attached_picture == 1
    assert media.tag_count > 5
    assert probed(clip("odd/cover_art_attached_pic.mp4")).media.other_streams.video == 1
    assert probed(clip("odd/multi_audio_3.mkv")).media.other_streams.audio == 3


def test_time_zero_is_the_sources(tmp_path: Path) -> None:
    """V-10: a video that starts after its sound keeps its delay; a transport clock's own origin does not matter."""
    late = probed(clip("clips/stage_vfr_640x360.mp4")).media
    assert (late.first_tick, late.origin_tick) == (10214, 0)
    broadcast = probed(clip("odd/mpegts.ts")).media
    assert Fraction(broadcast.first_tick - broadcast.origin_tick, 90_000) < Fraction(1, 20)
    assert broadcast.first_tick > 100_000


@pytest.mark.parametrize("name", ["open_gop.mp4", "open_gop.mkv", "xvid.avi", "dvd.mpg", "windows.wmv"])
def test_every_span_from_every_key_frame_is_the_same_as_in_one_piece(name: str, tmp_path: Path) -> None:
    """I-06: chunks that start at any key frame, open groups of pictures too, see the same pictures."""
    path = pattern(tmp_path / name, *MADE[name], "-g", "8", seconds="2")
    found = probed(path)
    whole = [_pixels(picture) for picture in pictures(path, found)]
    assert len(found.timeline.key_frames) > 3
    bounds = (*found.timeline.key_frames, len(whole))
    for start, end in pairwise(bounds):
        span = FrameSpan(start, end)
        assert [_pixels(picture) for picture in pictures(path, found, span)] == whole[start:end]


def test_a_span_in_the_middle_starts_where_it_says(tmp_path: Path) -> None:
    """I-06: context around a chunk may begin at any frame."""
    path = pattern(tmp_path / "x.mp4", "-c:v", "libx264", "-g", "10")
    found = probed(path)
    assert [picture.index for picture in pictures(path, found, FrameSpan(7, 13))] == [7, 8, 9, 10, 11, 12]
    assert list(pictures(path, found, FrameSpan(7, 7))) == []


def test_two_readers_of_one_descriptor_do_not_disturb_each_other(tmp_path: Path) -> None:
    """I-06: a look ahead and a look back at the same time."""
    path = pattern(tmp_path / "x.mp4", "-c:v", "libx264", "-g", "5")
    found = probed(path)
    media, timeline = found.media, found.timeline
    with descriptor(path) as number:
        first = read_pictures(number, media=media, timeline=timeline, span=FrameSpan(0, 25), limits=LIMITS, threads=1)
        second = read_pictures(number, media=media, timeline=timeline, span=FrameSpan(0, 25), limits=LIMITS, threads=1)
        pairs = [(one.tick, other.tick) for one, other in zip(first, second, strict=True)]
    assert pairs == [(tick, tick) for tick in timeline.ticks]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (MediaLimits(max_pixels=100 * 100), "too_many_pixels"),
        (MediaLimits(max_frames=10), "too_many_frames"),
        (MediaLimits(max_duration_seconds=0.5), "too_long"),
        (MediaLimits(max_streams=1), "too_many_streams"),
    ],
)
def test_limits_are_kept(limits: MediaLimits, reason: str, tmp_path: Path) -> None:
    """I-05: refused with the limit's name."""
    path = pattern(tmp_path / "x.mp4", "-f", "lavfi", "-i", "sine=d=1", "-c:v", "libx264", "-c:a", "aac")
    with pytest.raises(MediaRefused) as caught:
        probed(path, limits)
    assert caught.value.reason == reason
