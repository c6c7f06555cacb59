"""Exactly which pictures a span of a video consists of, decoded in order, or an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import OpenedVideo, opened_video
from opendrape.media.picture import Picture, Plane

__all__ = ["Picture", "Plane", "read_pictures"]

_Packets = Iterator["Packet[VideoStream]"]


def read_pictures(
    descriptor: int, *, media: MediaInfo, timeline: Timeline, span: FrameSpan, limits: MediaLimits, threads: int
) -> Iterator[Picture]:
    """Yield the pictures of ``span`` with their absolute index and tick, in presentation order.

    Decoding starts at the key frame at or before the span. Raises :class:`MediaRefused`: ``frame_missing`` when a frame
    of the timeline does not come, ``corrupt`` when the decoder saw damage or put out something the timeline does not
    know, ``changing_resolution`` when the picture's format changes on the way.
    """
    if not span:
        return
    with opened_video(descriptor, limits, threads=threads) as video:
        with refusing("corrupt"):
            packets = packets_from(video, timeline, timeline.key_frame_at_or_before(span.start))
        wanted = span.start
        for number, frame in enumerate(_decoded(packets)):
            tick = _tick(frame, media, timeline, number)
            if not _is_wanted(frame, tick, timeline, start=span.start, wanted=wanted):
                continue
            picture = Picture(frame, index=wanted, tick=tick)
            check_unchanged(picture, media)
            yield picture
            wanted += 1
            if wanted == span.end:
                return
    raise MediaRefused(reason="frame_missing")


def packets_from(video: OpenedVideo, timeline: Timeline, key_frame: int) -> _Packets:
    """Packets from the one that carries ``key_frame``; goes back further when the seek came down too late.

    Raises :class:`MediaRefused` ``frame_missing`` when no packet carries it.
    """
    for earlier in _going_back(timeline.key_frames, key_frame):
        video.container.seek(timeline.ticks[earlier], stream=video.stream, backward=True)
        packets = video.container.demux(video.stream)
        first = _find(packets, timeline.ticks[key_frame])
        if first is not None:
            return _chain(first, packets)
    return video.container.demux(video.stream) if key_frame == 0 else _from_start(video, timeline.ticks[key_frame])


def _going_back(key_frames: Sequence[int], key_frame: int) -> Iterator[int]:
    if key_frame:
        at = key_frames.index(key_frame)
        yield from (key_frames[max(0, at - back)] for back in (0, 1, 2, 4, 8))


def _find(packets: _Packets, tick: int) -> Packet[VideoStream] | None:
    for packet in packets:
        if packet.is_keyframe and packet.pts is not None and packet.pts >= tick:
            return packet if packet.pts == tick else None
    return None


def _chain(first: Packet[VideoStream], rest: _Packets) -> _Packets:
    yield first
    yield from rest


def _from_start(video: OpenedVideo, tick: int) -> _Packets:
    video.container.seek(0, backward=True)
    packets = video.container.demux(video.stream)
    first = _find(packets, tick)
    if first is None:
        raise MediaRefused(reason="frame_missing")
    return _chain(first, packets)


def _decoded(packets: _Packets) -> Iterator[VideoFrame]:
    while True:
        with refusing("corrupt"):
            packet = next(packets, None)
            frames = packet.decode() if packet is not None else []
        if packet is None:
            return
        yield from frames


def _tick(frame: VideoFrame, media: MediaInfo, timeline: Timeline, number: int) -> int:
    """The frame's own time, or by order for a video that is only ever read from its start."""
    if not media.frames_numbered and frame.pts is not None:
        return frame.pts
    if not media.frames_numbered or number >= len(timeline):
        raise MediaRefused(reason="corrupt")
    return timeline.ticks[number]


def _is_wanted(frame: VideoFrame, tick: int, timeline: Timeline, *, start: int, wanted: int) -> bool:
    """True for the ``wanted`` frame, False for one before the span; anything else is an error."""
    if tick < timeline.ticks[start]:
        return False
    if frame.is_corrupt:
        raise MediaRefused(reason="corrupt")
    if tick != timeline.ticks[wanted]:
        raise MediaRefused(reason="frame_missing" if tick in timeline.index_of else "corrupt")
    return True


def check_unchanged(picture: Picture, media: MediaInfo) -> None:
    """Raise :class:`MediaRefused` ``changing_resolution`` for a picture of another size or format."""
    if (picture.width, picture.height, picture.pixel_format) != (media.width, media.height, media.pixel_format):
        raise MediaRefused(reason="changing_resolution")
