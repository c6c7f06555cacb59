"""What some of the key frames of a video look like, each decoded alone: a cheap look at a long video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from av.video.frame import VideoFrame

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import OpenedVideo, opened_video
from opendrape.media.picture import Picture
from opendrape.media.reader import read_pictures


def read_key_pictures(
    descriptor: int, *, media: MediaInfo, timeline: Timeline, frames: Sequence[int], limits: MediaLimits
) -> Iterator[Picture]:
    """Yield the pictures of ``frames``, which are key frames in rising order; nothing else is decoded.

    Raises :class:`MediaRefused` (``frame_missing``, ``corrupt``, ``changing_resolution``), ``ValueError`` for a frame
    that is none of the timeline's key frames.
    """
    if set(frames) - set(timeline.key_frames):
        raise ValueError("not a key frame")
    with opened_video(descriptor, limits, threads=1) as video:
        for frame in frames:
            found = _alone(video, timeline.ticks[frame])
            if found is None:  # some containers seek past it: the patient way, through whatever comes before
                span = FrameSpan(frame, frame + 1)
                yield from read_pictures(
                    descriptor, media=media, timeline=timeline, span=span, limits=limits, threads=1
                )
                continue
            picture = Picture(found, index=frame, tick=timeline.ticks[frame])
            if (picture.width, picture.height, picture.pixel_format) != (media.width, media.height, media.pixel_format):
                raise MediaRefused(reason="changing_resolution")
            yield picture


def _alone(video: OpenedVideo, tick: int) -> VideoFrame | None:
    """The frame shown at ``tick``: its packet goes in, and the decoder is drained before the next seek."""
    with refusing("corrupt"):
        video.container.seek(tick, stream=video.stream, backward=True)
        for packet in video.container.demux(video.stream):
            if packet.pts is None or packet.pts < tick:
                continue
            if packet.pts > tick or not packet.is_keyframe:
                break
            decoded = [*packet.decode(), *video.stream.codec_context.decode(None)]
            return next((frame for frame in decoded if frame.pts == tick and not frame.is_corrupt), None)
    return None
