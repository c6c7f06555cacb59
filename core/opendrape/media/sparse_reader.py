"""Exactly which pictures of a span somebody wants to see, decoded without those that nothing refers to."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import OpenedVideo, opened_video
from opendrape.media.picture import Picture
from opendrape.media.reader import check_unchanged, packets_from, read_pictures

Wanted = Callable[[int], bool]
"""Asked once for every frame of the span, in decode order, just before its packet is decoded."""

_SKIP_NOTHING: Final = "DEFAULT"
_SKIP_UNREFERENCED: Final = "NONREF"
_SKIPPING_DECODERS: Final = frozenset({"h264", "hevc"})


def read_wanted(
    descriptor: int,
    *,
    media: MediaInfo,
    timeline: Timeline,
    span: FrameSpan,
    limits: MediaLimits,
    threads: int,
    wanted: Wanted,
) -> Iterator[Picture]:
    """Yield the pictures of ``span`` for which ``wanted`` says so, in presentation order.

    A picture that is not wanted is decoded only when another one refers to it. Raises :class:`MediaRefused` like
    :func:`read_pictures`: a wanted picture that does not come, or comes damaged, is an error.
    """
    if media.frames_numbered:  # its packets do not tell which frame they carry
        pictures = read_pictures(descriptor, media=media, timeline=timeline, span=span, limits=limits, threads=threads)
        yield from (picture for picture in pictures if wanted(picture.index))
        return
    if not span:
        return
    with opened_video(descriptor, limits, threads=threads) as video:
        yield from _Search(video, media, timeline, span, wanted).pictures()


class _Search:
    """One pass over the packets of a span."""

    def __init__(
        self, video: OpenedVideo, media: MediaInfo, timeline: Timeline, span: FrameSpan, wanted: Wanted
    ) -> None:
        self._video, self._media, self._timeline, self._span, self._wanted = video, media, timeline, span, wanted
        self._can_skip = video.decoder in _SKIPPING_DECODERS
        self._unasked = len(span)
        self._awaited: list[int] = []  # a heap of wanted frames whose packets went into the decoder

    def pictures(self) -> Iterator[Picture]:
        with refusing("corrupt"):
            key_frame = self._timeline.key_frame_at_or_before(self._span.start)
            packets = packets_from(self._video, self._timeline, key_frame)
        while True:
            with refusing("corrupt"):
                packet = next(packets, None)
            needed = packet is not None and self._is_needed(packet)  # what asking raises is not the video's fault
            with refusing("corrupt"):
                frames = self._decode(packet, needed=needed) if packet is not None else []
            for frame in frames:
                yield from self._taken(frame)
            if not self._unasked and not self._awaited:
                return
            if packet is None:
                raise MediaRefused(reason="frame_missing")

    def _decode(self, packet: Packet[VideoStream], *, needed: bool) -> list[VideoFrame]:
        if self._can_skip:
            self._video.stream.codec_context.skip_frame = _SKIP_NOTHING if needed else _SKIP_UNREFERENCED
        return packet.decode()

    def _is_needed(self, packet: Packet[VideoStream]) -> bool:
        """True for what is wanted and for what cannot be told; asks for the frame."""
        frame = None if packet.pts is None else self._timeline.index_of.get(packet.pts)
        if frame is None or frame not in self._span:
            return packet.pts is None
        self._unasked -= 1
        if is_wanted := self._wanted(frame):
            heapq.heappush(self._awaited, frame)
        return is_wanted

    def _taken(self, frame: VideoFrame) -> Iterator[Picture]:
        index = None if frame.pts is None else self._timeline.index_of.get(frame.pts)
        if index is None:
            raise MediaRefused(reason="corrupt")
        if index not in self._span or index not in self._awaited:
            return
        if frame.is_corrupt:
            raise MediaRefused(reason="corrupt")
        if heapq.heappop(self._awaited) != index:
            raise MediaRefused(reason="frame_missing")
        picture = Picture(frame, index=index, tick=self._timeline.ticks[index])
        check_unchanged(picture, self._media)
        yield picture
