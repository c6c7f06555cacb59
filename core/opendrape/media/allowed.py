"""Which decoders and pixel formats are let near untrusted bytes."""

from __future__ import annotations

from typing import Final

from opendrape.errors import MediaRefused

DECODERS: Final = frozenset(
    {
        *("h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d"),
        *("mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "flv", "prores"),
        *("wmv1", "wmv2", "wmv3", "vc1", "msmpeg4", "msmpeg4v1", "msmpeg4v2"),
    }
)
"""Names of FFmpeg decoders; compared with the decoder that was really chosen."""

PIXEL_FORMATS: Final = frozenset(
    {
        *("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"),
        *("yuv420p10le", "yuv422p10le", "yuv444p10le"),
    }
)
"""What the painter can paint and the encoder can keep as it is."""

_ONE_FRAME_PER_PACKET: Final = frozenset({"h264", "hevc", "vp9", "libvpx-vp9", "av1", "libdav1d", "mjpeg", "prores"})
_EXACT_CONTAINERS: Final = frozenset({"mov", "matroska"})


def check_decoder(name: str | None) -> None:
    """Raise :class:`MediaRefused` (``unsupported_codec``) for a decoder that is not on the list."""
    if name not in DECODERS:
        raise MediaRefused(reason="unsupported_codec")


def check_pixel_format(name: str | None, width: int, height: int) -> None:
    """Raise :class:`MediaRefused` for a layout or a size that H.264 cannot keep exactly."""
    if name not in PIXEL_FORMATS:
        raise MediaRefused(reason="unsupported_pixel_format")
    halves_width, halves_height = "444" not in name, "420" in name
    if (halves_width and width % 2) or (halves_height and height % 2):
        raise MediaRefused(reason="odd_size_unsupported")


def timing_is_exact(container: str, decoder: str) -> bool:
    """True when every packet carries one shown frame and its exact time, so that the timeline needs no decoding."""
    return container in _EXACT_CONTAINERS and decoder in _ONE_FRAME_PER_PACKET


def without_range(pixel_format: str) -> str:
    """``yuvj420p`` and ``yuv420p`` are one layout; the range is a colour tag."""
    return pixel_format.replace("yuvj", "yuv")
