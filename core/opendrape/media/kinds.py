"""What a file is, by its first bytes and never by its name (I-02), without opening FFmpeg."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

HEAD_BYTES: Final = 4096
"""How many leading bytes :func:`sniff` likes to see."""


class Kind(StrEnum):
    """Which family of files the first bytes belong to."""

    MOV = "mov"
    MATROSKA = "matroska"
    AVI = "avi"
    ASF = "asf"
    FLV = "flv"
    MPEG_TS = "mpegts"
    MPEG_PS = "mpeg"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tiff"
    STILL_IMAGE = "still_image"
    ANIMATION = "animation"
    AUDIO = "audio"
    OTHER_VIDEO = "other_video"
    PLAYLIST = "playlist"
    TEXT = "text"
    OTHER = "other"
    EMPTY = "empty"

    @property
    def is_video(self) -> bool:
        """True for containers that are opened; the value is then FFmpeg's name of the demuxer."""
        return self not in _REFUSALS and not self.is_still

    @property
    def is_still(self) -> bool:
        """True for pictures that are opened, and never by FFmpeg."""
        return self in (Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.TIFF)

    @property
    def refusal(self) -> str | None:
        """Why a file of this kind is refused, as a slug; None for videos and pictures that are opened."""
        return _REFUSALS.get(self)


_REFUSALS: Final = MappingProxyType(
    {
        Kind.STILL_IMAGE: "image_not_supported",
        Kind.ANIMATION: "unsupported_container",
        Kind.AUDIO: "audio_only",
        Kind.OTHER_VIDEO: "unsupported_container",
        Kind.PLAYLIST: "playlist_refused",
        Kind.TEXT: "not_a_video",
        Kind.OTHER: "not_a_video",
        Kind.EMPTY: "empty_file",
    }
)

_PREFIXES: Final = (
    (b"\x1aE\xdf\xa3", Kind.MATROSKA),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind.ASF),
    (b"FLV\x01", Kind.FLV),
    (b"\x00\x00\x01\xba", Kind.MPEG_PS),
    (b"\x00\x00\x01\xb3", Kind.OTHER_VIDEO),
    (b".RMF", Kind.OTHER_VIDEO),
    (b"\x06\x0e\x2b\x34", Kind.OTHER_VIDEO),  # MXF
    (b"DKIF", Kind.OTHER_VIDEO),
    (b"YUV4MPEG2", Kind.OTHER_VIDEO),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"II*\x00", Kind.TIFF),
    (b"MM\x00*", Kind.TIFF),
    (b"II+\x00", Kind.STILL_IMAGE),
    (b"MM\x00+", Kind.STILL_IMAGE),
    (b"BM", Kind.STILL_IMAGE),
    (b"GIF87a", Kind.ANIMATION),
    (b"GIF89a", Kind.ANIMATION),
    (b"OggS", Kind.OTHER_VIDEO),
    (b"ID3", Kind.AUDIO),
    (b"fLaC", Kind.AUDIO),
    (b"#!AMR", Kind.AUDIO),
    (b"FORM", Kind.AUDIO),
)
_RIFF_KINDS: Final = {b"AVI ": Kind.AVI, b"WEBP": Kind.WEBP, b"WAVE": Kind.AUDIO}
_FIRST_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"pnot", b"uuid"})
_STILL_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"})
_PLAYLIST_STARTS: Final = (
    b"ffconcat",
    b"#extm3u",
    b"[playlist]",
    b"<?xml",
    b"<smil",
    b"<mpd",
    b"<asx",
    b"v=0",
    b"#ext",
)
_TS_PACKETS: Final = ((188, 0), (192, 4), (204, 0))


def sniff(head: bytes) -> Kind:
    """Recognise the kind of a file by its first bytes; pass :data:`HEAD_BYTES` of them, or all when there are fewer."""
    if not head:
        return Kind.EMPTY
    return _by_prefix(head) or _by_box(head) or _by_sync_bytes(head) or _by_text(head)


def _by_prefix(head: bytes) -> Kind | None:
    if head[:4] in (b"RIFF", b"RF64", b"AVIX"):
        return _RIFF_KINDS.get(head[8:12], Kind.OTHER)
    return next((kind for prefix, kind in _PREFIXES if head.startswith(prefix)), None)


def _by_box(head: bytes) -> Kind | None:
    if head[4:8] not in _FIRST_BOXES:
        return None
    is_still = head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS
    return Kind.STILL_IMAGE if is_still else Kind.MOV


def _by_sync_bytes(head: bytes) -> Kind | None:
    for size, first in _TS_PACKETS:
        marks = head[first::size][:5]
        if len(marks) >= 3 and marks == b"\x47" * len(marks):
            return Kind.MPEG_TS
    return Kind.AUDIO if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6, 0xE0) else None


def _by_text(head: bytes) -> Kind:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PLAYLIST_STARTS):
        return Kind.PLAYLIST
    printable = sum(byte in b"\t\r\n" or 32 <= byte < 127 or byte >= 0xA0 for byte in head)
    return Kind.TEXT if b"\0" not in head and printable >= len(head) * 0.9 else Kind.OTHER
