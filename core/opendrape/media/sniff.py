"""What kind of file is this, by its first bytes and never by its name (I-02)?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4096
"""How many first bytes are enough for :func:`sniff`."""

_TRANSPORT_PACKET, _BLU_RAY_PACKET, _SYNC = 188, 192, 0x47


class Kind(StrEnum):
    """What a file is, as far as OpenDrape treats it differently."""

    VIDEO = "video"
    ANIMATION = "animation"
    IMAGE = "image"
    AUDIO = "audio"
    PLAYLIST = "playlist"
    DICOM = "dicom"
    ARCHIVE = "archive"
    DOCUMENT = "document"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Recognised:
    """Kind, and the name of the format as a short slug."""

    kind: Kind
    name: str


_ISO_BOXES = frozenset({b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp"})
_ISO_BRANDS = {
    b"M4A ": Recognised(Kind.AUDIO, "m4a"),
    b"M4B ": Recognised(Kind.AUDIO, "m4a"),
    b"avif": Recognised(Kind.IMAGE, "avif"),
    b"avis": Recognised(Kind.ANIMATION, "avif"),
    b"heic": Recognised(Kind.IMAGE, "heif"),
    b"heix": Recognised(Kind.IMAGE, "heif"),
    b"mif1": Recognised(Kind.IMAGE, "heif"),
    b"qt  ": Recognised(Kind.VIDEO, "mov"),
}
_RIFF = {
    b"AVI ": Recognised(Kind.VIDEO, "avi"),
    b"WAVE": Recognised(Kind.AUDIO, "wav"),
    b"WEBP": Recognised(Kind.IMAGE, "webp"),
}
_FIRST_BYTES = (
    (b"\x1a\x45\xdf\xa3", Recognised(Kind.VIDEO, "matroska")),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), Recognised(Kind.VIDEO, "asf")),
    (b"FLV\x01", Recognised(Kind.VIDEO, "flv")),
    (b"\x00\x00\x01\xba", Recognised(Kind.VIDEO, "mpeg")),
    (b"\x00\x00\x01\xb3", Recognised(Kind.VIDEO, "mpeg")),
    (b"GIF87a", Recognised(Kind.ANIMATION, "gif")),
    (b"GIF89a", Recognised(Kind.ANIMATION, "gif")),
    (b"\xff\xd8\xff", Recognised(Kind.IMAGE, "jpeg")),
    (b"\x89PNG\r\n\x1a\n", Recognised(Kind.IMAGE, "png")),
    (b"II*\x00", Recognised(Kind.IMAGE, "tiff")),
    (b"MM\x00*", Recognised(Kind.IMAGE, "tiff")),
    (b"ID3", Recognised(Kind.AUDIO, "mp3")),
    (b"fLaC", Recognised(Kind.AUDIO, "flac")),
    (b"#EXTM3U", Recognised(Kind.PLAYLIST, "m3u")),
    (b"ffconcat", Recognised(Kind.PLAYLIST, "ffconcat")),
    (b"PK\x03\x04", Recognised(Kind.ARCHIVE, "zip")),
    (b"\x1f\x8b", Recognised(Kind.ARCHIVE, "gzip")),
    (b"7z\xbc\xaf\x27\x1c", Recognised(Kind.ARCHIVE, "7z")),
    (b"%PDF-", Recognised(Kind.DOCUMENT, "pdf")),
)


def sniff(head: bytes) -> Recognised | None:
    """What the first bytes (``HEAD_BYTES`` are enough, fewer do) say; None when they say nothing known.

    A hint for sorting files, not a promise: the probe, in its child process, decides whether a video is one.
    """
    for look in _LOOKS:
        found = look(head)
        if found is not None:
            return found
    return None


def _iso_media(head: bytes) -> Recognised | None:
    box = head[4:8]
    if box == b"ftyp":
        return _ISO_BRANDS.get(head[8:12], Recognised(Kind.VIDEO, "mp4"))
    return Recognised(Kind.VIDEO, "mov") if box in _ISO_BOXES else None


def _riff(head: bytes) -> Recognised | None:
    return _RIFF.get(head[8:12]) if head.startswith(b"RIFF") else None


def _first_bytes(head: bytes) -> Recognised | None:
    return next((found for magic, found in _FIRST_BYTES if head.startswith(magic)), None)


def _transport_stream(head: bytes) -> Recognised | None:
    for first, packet in ((0, _TRANSPORT_PACKET), (4, _BLU_RAY_PACKET)):
        marks = head[first::packet][:8]
        if len(marks) >= 3 and all(mark == _SYNC for mark in marks):
            return Recognised(Kind.VIDEO, "mpegts")
    return None


def _dicom(head: bytes) -> Recognised | None:
    return Recognised(Kind.DICOM, "dicom") if head[128:132] == b"DICM" else None


def _text(head: bytes) -> Recognised | None:
    if not head or b"\0" in head:
        return None
    # the head may end within a character
    readable = head.decode("utf-8", errors="ignore").encode()
    controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return Recognised(Kind.TEXT, "text") if len(head) - len(readable) <= 3 and not controls else None


_LOOKS: tuple[Callable[[bytes], Recognised | None], ...] = (
    _iso_media,
    _riff,
    _first_bytes,
    _dicom,
    _transport_stream,
    _text,
)
