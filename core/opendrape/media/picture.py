"""What one decoded picture looks like from outside: planes of bytes, a frame number and a tick."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame

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

    Views handed out by :attr:`planes` belong to the picture as it was; :meth:`writable_planes` may move the pixels.
    """

    def __init__(self, frame: VideoFrame, *, index: int, tick: int) -> None:
        self.index = index
        self.tick = tick
        self.width = frame.width
        self.height = frame.height
        self.pixel_format = frame.format.name
        self.bit_depth = frame.format.components[0].bits
        self._frame = frame
        self._views: list[memoryview] = []
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
        return self._views_of_planes(read_only=True)

    def writable_planes(self) -> tuple[Plane, ...]:
        """Y, U, V as writable views; copied first when the decoder still refers to the pixels.

        Raises ``BufferError`` when somebody still holds an array over a view from :attr:`planes`, because the pixels
        may move away from under it.
        """
        if not self._is_own:
            self._give_up_views()
            self._frame.make_writable()
            self._is_own = True
        return self._views_of_planes(read_only=False)

    def _give_up_views(self) -> None:
        for view in self._views:
            view.release()
        self._views.clear()

    def _views_of_planes(self, *, read_only: bool) -> tuple[Plane, ...]:
        sample_bytes = 1 if self.bit_depth <= 8 else 2
        planes = []
        for plane in self._frame.planes:
            if plane.line_size <= 0:
                raise MediaRefused(reason="unsupported_pixel_format")
            view = memoryview(plane)
            if read_only:
                view = view.toreadonly()
            if not self._is_own:
                self._views.append(view)
            planes.append(Plane(view, plane.width, plane.height, plane.line_size, sample_bytes))
        return tuple(planes)
