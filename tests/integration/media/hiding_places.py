"""Where a name can hide in a video's bitstream or container, and how it is put there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.integration.media.footage import ffmpeg, pattern
from tests.unit.media.bytes_file import box

NAME: Final = "Jane Q. Canary 1970-01-02"
_SMALL: Final = ("-pix_fmt", "yuv420p", "-g", "5")
_DEMUXERS: Final = {"mpeg2video": "mpegvideo"}
_UUID: Final = bytes(range(16))
_CAPTIONS: Final = b"\xb5\x00\x31GA94\x03"  # ATSC A/53 part 4: registered user data that holds captions
_XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def sei(kind: int, content: bytes, *, head: bytes = b"\x06") -> bytes:
    """A NAL unit of supplemental information with one message (ITU-T H.264, 7.3.2.3)."""
    return head + bytes([kind, len(content)]) + content + b"\x80"


H264_UNITS: Final = {
    "unregistered": sei(5, _UUID + NAME.encode()),
    "registered": sei(4, b"\xb5\x00\x99" + NAME.encode()),
    "captions": sei(4, _CAPTIONS + NAME.encode()),
    "unknown message": sei(200, NAME.encode()),
    "wide letters": sei(5, _UUID + NAME.encode("utf-16-be").replace(b"\0", b"\x01")[:60] + NAME.encode()),
    "filler": b"\x0c" + NAME.encode() + b"\x80",
    "unspecified unit": b"\x1e" + NAME.encode() + b"\x80",
    "private unit": b"\x78" + NAME.encode() + b"\x80",
}
HEVC_UNITS: Final = {
    "prefix": sei(5, _UUID + NAME.encode(), head=b"\x4e\x01"),
    "suffix": sei(5, _UUID + NAME.encode(), head=b"\x50\x01"),
    "captions": sei(4, _CAPTIONS + NAME.encode(), head=b"\x4e\x01"),
    "unknown message": sei(200, NAME.encode(), head=b"\x4e\x01"),
    "filler": b"\x4c\x01" + NAME.encode() + b"\x80",
    "unspecified unit": b"\x60\x01" + NAME.encode() + b"\x80",
}
_IDR: Final = {"h264": rb"\x00\x00\x01[\x65\x25\x45]", "hevc": rb"\x00\x00\x01[\x26\x28]\x01"}


def with_unit(source: Path, target: Path, codec: str, unit: bytes) -> Path:
    """``source`` with ``unit`` in front of every IDR picture."""
    raw = target.with_suffix(f".{codec}")
    annex_b = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}[codec]
    ffmpeg("-i", source, "-map", "0:v", "-c", "copy", "-bsf:v", annex_b, "-f", codec, raw)
    planted, count = re.subn(_IDR[codec], lambda found: b"\x00\x00\x01" + unit + found[0], raw.read_bytes())
    assert count
    raw.write_bytes(planted)
    ffmpeg("-framerate", "25", "-f", codec, "-i", raw, "-c", "copy", "-bitexact", target)
    return target


def _raw(path: Path, form: str, coding: tuple[str, ...], start: bytes, planted: bytes, mux: tuple[str, ...]) -> Path:
    """Encode to an elementary stream, put ``planted`` in front of (or behind) every ``start``, mux again."""
    raw = pattern(path.with_suffix(f".raw.{form}"), *coding, "-f", form)
    content = raw.read_bytes()
    assert start in content
    raw.write_bytes(content.replace(start, planted))
    ffmpeg(
        "-fflags", "+genpts", "-framerate", "25", "-f", _DEMUXERS.get(form, form), "-i", raw, "-c", "copy", *mux, path
    )
    return path


def _mpeg4_user_data(folder: Path) -> Path:
    said = b"\x00\x00\x01\xb2" + NAME.encode() + b"\x00\x00\x01\xb6"
    coding = ("-c:v", "mpeg4", "-g", "5")
    return _raw(folder / "mpeg4.avi", "m4v", coding, b"\x00\x00\x01\xb6", said, ())


def _mpeg2_user_data(folder: Path) -> Path:
    said = b"\x00\x00\x01\xb2" + NAME.encode() + b"\x00\x00\x01\x01"
    coding = ("-c:v", "mpeg2video", "-pix_fmt", "yuv420p", "-g", "5", "-bf", "0")
    return _raw(folder / "mpeg2.ts", "mpeg2video", coding, b"\x00\x00\x01\x01", said, ())


def _jpeg_comment(folder: Path) -> Path:
    said = b"\xff\xd8\xff\xfe" + (len(NAME) + 2).to_bytes(2) + NAME.encode()
    return _raw(folder / "jpeg.avi", "mjpeg", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), b"\xff\xd8", said, ())


def _jpeg_camera_data(folder: Path) -> Path:
    block = b"Exif\0\0" + NAME.encode()
    said = b"\xff\xd8\xff\xe1" + (len(block) + 2).to_bytes(2) + block
    return _raw(folder / "exif.mov", "mjpeg", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), b"\xff\xd8", said, ())


def _private_transport_packets(folder: Path) -> Path:
    path = pattern(folder / "private.ts", "-c:v", "libx264", *_SMALL)
    packet = b"\x47\x41\xf0\x10" + NAME.encode()
    path.write_bytes(path.read_bytes() + packet.ljust(188, b"\xff") * 3)
    return path


def _private_program_packets(folder: Path) -> Path:
    path = pattern(folder / "private.mpg", "-c:v", "mpeg2video", "-pix_fmt", "yuv420p", "-f", "vob")
    body = NAME.encode().ljust(64, b"\xff")
    packet = b"\x00\x00\x01\xbf" + len(body).to_bytes(2) + body
    content = path.read_bytes()
    second = content.index(b"\x00\x00\x01\xba", 4)
    path.write_bytes(content[:second] + packet + content[second:])
    return path


def _behind(folder: Path, name: str, more: bytes) -> Path:
    path = pattern(folder / name, "-c:v", "libx264", *_SMALL)
    path.write_bytes(path.read_bytes() + more)
    return path


def _compressor_name(folder: Path) -> Path:
    path = pattern(folder / "compressor.mov", "-c:v", "libx264", *_SMALL)
    content = path.read_bytes()
    entry = content.index(b"avc1", content.index(b"stsd")) + 4 + 42
    said = bytes([len(NAME)]) + NAME.encode()
    path.write_bytes(content[:entry] + said + content[entry + len(said) :])
    return path


def _cover(folder: Path) -> Path:
    plain = pattern(folder / "plain.mp4", "-c:v", "libx264", *_SMALL)
    picture = folder / "cover.jpg"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", picture)
    content = picture.read_bytes()
    said = b"\xff\xfe" + (len(NAME) + 2).to_bytes(2) + NAME.encode()
    picture.write_bytes(content[:2] + said + content[2:])
    maps = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    ffmpeg("-i", plain, "-i", picture, *maps, folder / "cover.mp4")
    return folder / "cover.mp4"


def _named(folder: Path, *where: str) -> Path:
    options = [part for place in where for part in (f"-metadata{place}", f"{_TAG[place]}={NAME}")]
    return pattern(folder / "named.mp4", "-c:v", "libx264", *_SMALL, *options, "-movflags", "use_metadata_tags")


_TAG: Final = {"": "title", ":s:v": "handler_name"}

PLACES: Final[dict[str, Callable[[Path], Path]]] = {
    "MPEG-4 user data": _mpeg4_user_data,
    "MPEG-2 user data": _mpeg2_user_data,
    "JPEG comment": _jpeg_comment,
    "JPEG camera data": _jpeg_camera_data,
    "private transport packets": _private_transport_packets,
    "private program packets": _private_program_packets,
    "user data box": lambda folder: _named(folder, ""),
    "handler name": lambda folder: _named(folder, ":s:v"),
    "compressor name": _compressor_name,
    "cover": _cover,
    "XMP": lambda folder: _behind(folder, "xmp.mp4", box(b"uuid", _XMP + f"<x>{NAME}</x>".encode())),
    "free box": lambda folder: _behind(folder, "free.mp4", box(b"free", NAME.encode())),
    "wide letters in a free box": lambda folder: _behind(folder, "wide.mp4", box(b"free", NAME.encode("utf-16-le"))),
    "trailing bytes": lambda folder: _behind(folder, "tail.mp4", NAME.encode()),
    "metadata box": lambda folder: _behind(folder, "meta.mp4", box(b"meta", bytes(4) + NAME.encode())),
}
