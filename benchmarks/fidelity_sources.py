"""Which generated videos stand for the kinds that are promised: codec, depth, chroma, tags, times, geometry, fields."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import imageio_ffmpeg  # type: ignore[import-untyped]

_LOOK: Final = "mandelbrot=s={size}:r={rate}:end_pts=200:start_scale=0.5,noise=alls=3:allf=t:all_seed=5"
_X264: Final = ("-c:v", "libx264", "-crf", "12", "-preset", "veryfast")
_X265: Final = ("-c:v", "libx265", "-crf", "12", "-preset", "ultrafast")
_MPEG2: Final = ("-c:v", "mpeg2video", "-q:v", "3", "-pix_fmt", "yuv420p")
_MASTER: Final = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
_REFRESH: Final = "intra-refresh=1"
_OPEN: Final = "open-gop=1:keyint=12:bframes=3"
_PQ: Final = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
_HLG: Final = ("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc")


@dataclass(frozen=True, slots=True)
class Made:
    """One generated file: what it stands for, and how FFmpeg makes it."""

    name: str
    kind: str
    arguments: tuple[str, ...]
    size: str = "320x192"
    rate: str = "25"


def _x265(pixels: str, more: str = "") -> tuple[str, ...]:
    return (*_X265, "-pix_fmt", pixels, "-x265-params", "log-level=none" + (":" + more if more else ""))


MADE: Final = (
    Made("h264_420.mp4", "H.264, 8 bit, 4:2:0", (*_X264, "-pix_fmt", "yuv420p")),
    Made("h264_422.mp4", "H.264, 8 bit, 4:2:2", (*_X264, "-pix_fmt", "yuv422p")),
    Made("h264_10_422.mov", "H.264, 10 bit, 4:2:2", (*_X264, "-pix_fmt", "yuv422p10le")),
    Made("h264_10_444.mp4", "H.264, 10 bit, 4:4:4", (*_X264, "-pix_fmt", "yuv444p10le")),
    Made("h264_gray.mp4", "H.264 without chroma, which every decoder shows as 4:2:0", (*_X264, "-pix_fmt", "gray")),
    Made("hevc_grey.mp4", "HEVC without chroma", _x265("gray")),
    Made("hevc_422_10.mp4", "HEVC, 10 bit, 4:2:2", _x265("yuv422p10le")),
    Made("hevc_12.mp4", "HEVC, 12 bit, 4:2:0", _x265("yuv420p12le")),
    Made("vp8.webm", "VP8", ("-c:v", "libvpx", "-b:v", "2M", "-pix_fmt", "yuv420p")),
    Made("vp9_10.webm", "VP9, 10 bit", ("-c:v", "libvpx-vp9", "-b:v", "2M", "-pix_fmt", "yuv420p10le")),
    Made("av1.mp4", "AV1", ("-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p")),
    Made("av1_10.mkv", "AV1, 10 bit", ("-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p10le")),
    Made("mpeg4.avi", "MPEG-4 part 2 in AVI, B pictures", ("-c:v", "mpeg4", "-q:v", "3", "-bf", "2")),
    Made("mpeg4.mp4", "MPEG-4 part 2 in MP4", ("-c:v", "mpeg4", "-q:v", "3")),
    Made("mjpeg.mov", "Motion JPEG, 4:2:2", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj422p")),
    Made("mjpeg_odd.avi", "Motion JPEG, odd size in 4:2:0", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), size="321x193"),
    Made("mpeg2.ts", "MPEG-2 in a transport stream", _MPEG2),
    Made(
        "mpeg2_interlaced.mpg",
        "MPEG-2, bottom field first",
        (*_MPEG2, "-vf", "setfield=bff", "-flags", "+ilme+ildct"),
    ),
    Made("ffv1.mkv", "FFV1", ("-c:v", "ffv1", "-pix_fmt", "yuv422p10le")),
    Made(
        "mbaff_tff.mp4",
        "H.264 MBAFF, top field first by its container only",
        (*_X264, "-pix_fmt", "yuv420p", "-x264-params", "tff=1"),
    ),
    Made("mbaff_bff.mp4", "H.264 MBAFF, bottom field first", (*_X264, "-pix_fmt", "yuv420p", "-x264-params", "bff=1")),
    Made("pq_tags.mp4", "HDR tags (PQ, BT.2020), no further metadata", (*_x265("yuv420p10le"), *_PQ)),
    Made("hlg_tags.mp4", "HDR tags (HLG, BT.2020)", (*_x265("yuv420p10le"), *_HLG)),
    Made(
        "hdr10.mp4",
        "HDR10: mastering display and light level",
        (*_x265("yuv420p10le", f"hdr10=1:master-display={_MASTER}:max-cll=1000,400"), *_PQ),
    ),
    Made(
        "vfr.mkv",
        "variable frame rate",
        (*_X264, "-pix_fmt", "yuv420p", "-vf", "select='mod(n,3)+mod(n,2)'", "-fps_mode", "vfr"),
    ),
    Made("ntsc.mp4", "30000/1001 frames a second", (*_X264, "-pix_fmt", "yuv420p"), rate="30000/1001"),
    Made("anamorphic.mp4", "sample aspect 16:11", (*_X264, "-pix_fmt", "yuv420p", "-vf", "setsar=16/11")),
    Made("odd_444.mp4", "odd size in 4:4:4", (*_X264, "-pix_fmt", "yuv444p"), size="321x193"),
    Made("lines_1080.mp4", "1080 lines, coded as 1088", (*_X264, "-pix_fmt", "yuv420p", "-t", "0.4"), size="1920x1080"),
    Made("timecode.mov", "timecode track", (*_X264, "-pix_fmt", "yuv420p", "-timecode", "10:00:00:00")),
    Made("refresh.mp4", "no key frame but the first", (*_X264, "-pix_fmt", "yuv420p", "-x264-params", _REFRESH)),
    Made("open_gop.mp4", "open groups of pictures", (*_X264, "-pix_fmt", "yuv420p", "-x264-params", _OPEN)),
)  # fmt: skip


def make_all(folder: Path) -> list[tuple[str, Path]]:
    """Kind and path of every generated file that this machine's FFmpeg could make."""
    made = [(one.kind, path) for one in MADE if (path := make(one, folder)) is not None]
    special: tuple[Callable[[Path], tuple[str, Path]], ...] = (turned, two_sizes, edited)
    return made + [make_special(folder) for make_special in special]


def ffmpeg(*arguments: str | Path) -> str:
    """Run the FFmpeg of imageio-ffmpeg; its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def make(one: Made, folder: Path, *, seconds: str = "2") -> Path | None:
    """One generated file; None where this machine's FFmpeg cannot make it."""
    path = folder / one.name
    look = _LOOK.format(size=one.size, rate=one.rate)
    try:
        ffmpeg("-f", "lavfi", "-i", look, "-t", seconds, *one.arguments, path)
    except subprocess.CalledProcessError:
        return None
    return path


def turned(folder: Path) -> tuple[str, Path]:
    """A mirrored display matrix."""
    path = folder / "mirrored_270.mp4"
    ffmpeg("-display_rotation", "270", "-display_hflip", "-i", folder / "h264_420.mp4", "-c", "copy", path)
    return "turned by 270 degrees and mirrored", path


def two_sizes(folder: Path) -> tuple[str, Path]:
    """A stream that becomes smaller on the way."""
    small, path = folder / "small.ts", folder / "two_sizes.ts"
    large = folder / "large.ts"
    ffmpeg("-i", folder / "h264_420.mp4", "-c", "copy", large)
    ffmpeg("-i", folder / "h264_420.mp4", "-vf", "scale=160:96", *_X264, "-output_ts_offset", "4", small)
    path.write_bytes(large.read_bytes() + small.read_bytes())
    return "two picture sizes in one stream", path


def edited(folder: Path) -> tuple[str, Path]:
    """A movie cut without being encoded anew."""
    path = folder / "edited.mp4"
    ffmpeg("-ss", "0.7", "-i", folder / "open_gop.mp4", "-c", "copy", path)
    return "edit list that starts between key frames", path
