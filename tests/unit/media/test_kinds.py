"""Is a file recognised by its bytes alone?"""

from __future__ import annotations

import pytest

from opendrape.media.kinds import Kind, sniff

_TS = (b"\x47" + bytes(187)) * 4


@pytest.mark.parametrize(
    ("head", "kind", "refusal"),
    [
        (b"", Kind.EMPTY, "empty_file"),
        (b"\0\0\0\x20ftypisom" + bytes(20), Kind.MOV, None),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Kind.MOV, None),
        (b"\x1aE\xdf\xa3" + bytes(20), Kind.MATROSKA, None),
        (b"RIFF\0\0\0\0AVI LIST", Kind.AVI, None),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(8), Kind.ASF, None),
        (b"FLV\x01\x05", Kind.FLV, None),
        (_TS, Kind.MPEG_TS, None),
        (bytes(4) + b"\x47" + bytes(191) + b"\x47" + bytes(191) + b"\x47", Kind.MPEG_TS, None),
        (b"\x00\x00\x01\xba" + bytes(20), Kind.MPEG_PS, None),
        (b"\xff\xd8\xff\xe0", Kind.JPEG, None),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG, None),
        (b"RIFF\0\0\0\0WEBPVP8 ", Kind.WEBP, None),
        (b"II*\0", Kind.TIFF, None),
        (b"\0\0\0\x18ftypheic", Kind.STILL_IMAGE, "image_not_supported"),
        (b"GIF89a", Kind.ANIMATION, "unsupported_container"),
        (b"OggS", Kind.OTHER_VIDEO, "unsupported_container"),
        (b"RIFF\0\0\0\0WAVEfmt ", Kind.AUDIO, "audio_only"),
        (b"ID3\x04", Kind.AUDIO, "audio_only"),
        (b"\xff\xfb\x90\x64" + bytes(40), Kind.AUDIO, "audio_only"),
        (b"ffconcat version 1.0\nfile x.mp4\n", Kind.PLAYLIST, "playlist_refused"),
        (b"\xef\xbb\xbf#EXTM3U\n", Kind.PLAYLIST, "playlist_refused"),
        (b"<?xml version='1.0'?><MPD>", Kind.PLAYLIST, "playlist_refused"),
        (b"just some words\n" * 8, Kind.TEXT, "not_a_video"),
        (bytes(range(256)), Kind.OTHER, "not_a_video"),
    ],
)
def test_the_first_bytes_decide(head: bytes, kind: Kind, refusal: str | None) -> None:
    """I-02: recognised by content, and every other kind has a reason of its own."""
    assert sniff(head) is kind
    assert kind.refusal == refusal
    assert (kind.is_video or kind.is_still) == (refusal is None)


def test_every_kind_is_either_opened_or_refused_with_a_reason() -> None:
    """I-02: never silently skipped."""
    assert all((kind.is_video or kind.is_still) != bool(kind.refusal) for kind in Kind)
    assert not any(kind.is_video and kind.is_still for kind in Kind)
