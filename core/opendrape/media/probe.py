"""What a video is, exactly: its facts and the time of every frame (I-05)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from av.container import InputContainer

from opendrape.domain.media_info import MediaInfo, OtherStreams
from opendrape.domain.timeline import Timeline
from opendrape.errors import MediaRefused
from opendrape.media.allowed import check_pixel_format, timing_is_exact
from opendrape.media.boundary import refusing
from opendrape.media.kinds import Kind
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import OpenedVideo, opened_video, real_videos
from opendrape.media.packet_scan import Scan, increases, scan_packets, scan_pictures
from opendrape.media.picture_facts import check_side_data, colour_tags, display_matrix, field_order, is_interlaced

_THREADS = 2


@dataclass(frozen=True)
class ProbeResult:
    """The facts of one video and its timeline."""

    media: MediaInfo
    timeline: Timeline


def probe(descriptor: int, limits: MediaLimits) -> ProbeResult:
    """Look at the video behind a read-only descriptor.

    Where container and codec promise one shown frame per packet the packets are read; anything else is decoded once, so
    that the timeline is what the decoder will really put out. Raises :class:`MediaRefused`.
    """
    with opened_video(descriptor, limits, threads=_THREADS) as video, refusing("corrupt"):
        if timing_is_exact(video.kind, video.decoder):
            scan = scan_packets(video.container.demux(video.stream), limits)
            if scan.is_trustworthy and not is_interlaced(scan.first_pictures):
                return _result(video, scan, limits)
    with opened_video(descriptor, limits, threads=_THREADS) as video, refusing("corrupt"):
        packets = video.container.demux(video.stream)
        return _result(video, scan_pictures(packets, limits, times_may_be_guessed=video.kind is Kind.AVI), limits)


def _result(video: OpenedVideo, scan: Scan, limits: MediaLimits) -> ProbeResult:
    if not scan.first_pictures or not scan.ticks:
        raise MediaRefused(reason="no_pictures")
    picture = scan.first_pictures[0]
    limits.check_picture(picture.width, picture.height)
    check_pixel_format(picture.format.name, picture.width, picture.height)
    check_side_data(picture)
    timeline = _timeline(video, scan)
    limits.check_duration(float(timeline.duration))
    return ProbeResult(_media(video, scan, timeline), timeline)


def _timeline(video: OpenedVideo, scan: Scan) -> Timeline:
    ticks, time_base = scan.ticks, video.stream.time_base
    if not time_base or not increases(ticks):
        raise MediaRefused(reason="timestamps_unusable")
    keys = set(scan.key_ticks)
    # the first shown frame can always be reached: decoding then starts where the stream starts
    key_frames = (0, *(index for index, tick in enumerate(ticks) if index and tick in keys))
    return Timeline(time_base=time_base, ticks=ticks, key_frames=key_frames, end_tick=_end_tick(video, scan))


def _end_tick(video: OpenedVideo, scan: Scan) -> int:
    last_gap = scan.ticks[-1] - scan.ticks[-2] if len(scan.ticks) > 1 else 0
    rate, base = video.stream.average_rate, video.stream.time_base or Fraction(1)
    by_rate = round(1 / (rate * base)) if rate else 1
    return scan.ticks[-1] + max(1, scan.last_duration or last_gap or by_rate)


def _media(video: OpenedVideo, scan: Scan, timeline: Timeline) -> MediaInfo:
    picture, context = scan.first_pictures[0], video.stream.codec_context
    aspect = video.stream.sample_aspect_ratio or Fraction(1)
    return MediaInfo(
        container=str(video.kind),
        codec=video.decoder,
        profile=context.profile,
        width=picture.width,
        height=picture.height,
        pixel_format=picture.format.name,
        bit_depth=picture.format.components[0].bits,
        sample_aspect_ratio=(aspect.numerator, aspect.denominator),
        display_matrix=display_matrix(picture),
        field_order=field_order(context, scan.first_pictures),
        colour=colour_tags(picture),
        time_base=(timeline.time_base.numerator, timeline.time_base.denominator),
        frame_count=len(timeline),
        first_tick=timeline.ticks[0],
        origin_tick=_origin_tick(video, timeline),
        frames_numbered=scan.is_numbered,
        duration_seconds=float(timeline.duration),
        variable_frame_rate=timeline.is_variable,
        average_rate=(timeline.average_rate.numerator, timeline.average_rate.denominator),
        key_frames=len(timeline.key_frames),
        other_streams=_other_streams(video.container),
        tag_count=_tag_count(video.container),
    )


def _origin_tick(video: OpenedVideo, timeline: Timeline) -> int:
    """The tick that is time zero of the source: 0 on a movie's own clock, else where its earliest stream starts."""
    first = timeline.ticks[0]
    if video.kind in (Kind.MOV, Kind.AVI, Kind.MATROSKA, Kind.FLV):
        return min(0, first)
    starts = [
        stream.start_time * stream.time_base
        for stream in (*video.container.streams.video, *video.container.streams.audio)
        if stream.start_time is not None and stream.time_base
    ]
    return min(first, floor(min(starts) / timeline.time_base)) if starts else first


def _other_streams(container: InputContainer) -> OtherStreams:
    streams, real = container.streams, real_videos(container)
    known = len(streams.video) + len(streams.audio) + len(streams.subtitles) + len(streams.attachments)
    return OtherStreams(
        audio=len(streams.audio),
        subtitle=len(streams.subtitles),
        data=len(streams) - known,
        attachment=len(streams.attachments),
        attached_picture=len(streams.video) - len(real),
        video=len(real) - 1,
    )


def _tag_count(container: InputContainer) -> int:
    tags = len(container.metadata) + sum(len(stream.metadata) for stream in container.streams)
    return tags + len(container.chapters())
