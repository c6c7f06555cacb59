"""What one decoded picture looks like from outside: planes of bytes, a frame number and a tick."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from opendrape.errors import MediaRefused

_JPEG_RANGE = 2


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of samples.

    ``memory`` is one-dimensional, ``stride * height`` bytes; row ``y`` starts at ``y * stride`` and its first
    ``width * sample_bytes`` bytes count. Samples of two bytes are little-endian.
    """

    memory: memoryview
    width: int
    height: int
    stride: int
    sample_bytes: int


class Picture:
    """A decoded picture: ``index`` counts frames in presentation order, ``tick`` is its time in the stream's time base.

    Views from :attr:`planes` keep the pixels they were taken from alive: they stay valid, and unpainted, whatever
    happens to the picture afterwards.
    """

    def __init__(self, frame: VideoFrame, *, index: int, tick: int) -> None:
        self.index = index
        self.tick = tick
        self.width = frame.width
        self.height = frame.height
        self.pixel_format = frame.format.name
        self.bit_depth = frame.format.components[0].bits
        self._frame = frame
        self._is_own = False

    @property
    def full_range(self) -> bool:
        """True when samples use the whole range (0-255 at eight bits)."""
        return self.pixel_format.startswith("yuvj") or int(self._frame.color_range) == _JPEG_RANGE

    @property
    def byte_size(self) -> int:
        """Bytes that the pixels take in memory."""
        return sum(plane.buffer_size for plane in self._frame.planes)

    @property
    def frame(self) -> VideoFrame:
        """The decoder's frame; for the writer in this package."""
        return self._frame

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Y, U, V as read-only views without a copy."""
        if self._is_own:
            return tuple(self._plane(plane, memoryview(plane).toreadonly()) for plane in self._frame.planes)
        return tuple(self._plane(plane, _lasting_view(plane)) for plane in self._frame.planes)

    def writable_planes(self) -> tuple[Plane, ...]:
        """Y, U, V as writable views; copied first when the decoder, or a view from :attr:`planes`, still needs them."""
        if not self._is_own:
            self._frame.make_writable()
            self._is_own = True
        return tuple(self._plane(plane, memoryview(plane)) for plane in self._frame.planes)

    def _plane(self, plane: VideoPlane, memory: memoryview) -> Plane:
        if plane.line_size <= 0:
            raise MediaRefused(reason="unsupported_pixel_format")
        return Plane(memory, plane.width, plane.height, plane.line_size, 1 if self.bit_depth <= 8 else 2)


def _lasting_view(plane: VideoPlane) -> memoryview:
    """A read-only view that holds a reference of its own to the pixels.

    PyAV's own view holds the frame, and ``make_writable`` lets a frame change its pixels under the view; a DLPack
    capsule holds the pixels themselves.
    """
    memory = (ctypes.c_ubyte * plane.buffer_size).from_address(plane.buffer_ptr)
    memory.pixels = plane.__dlpack__()  # type: ignore[attr-defined]
    return memoryview(memory).cast("B").toreadonly()
