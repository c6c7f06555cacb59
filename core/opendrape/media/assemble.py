"""How chunks become one MP4 without re-encoding, every picture shown exactly when the source showed it (V-10).

The rule for time zero: a picture is shown ``(tick - origin_tick) * time_base`` seconds after the start of the output,
where ``origin_tick`` is the source's own time zero (see :class:`MediaInfo`). A source whose video starts late starts
late in the output too; a source with times below zero, or on a transport clock, starts at its own beginning.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Final

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.errors import FidelityBroken
from opendrape.media.chunk_packets import chunk_packets, opened_chunk
from opendrape.media.movie_boxes import blank_user_data
from opendrape.media.prove import prove
from opendrape.media.sound_tracks import SoundTrack, TimedPacket
from opendrape.media.writer import BITEXACT

__all__ = ["assemble", "prove"]

_FULL_RANGE, _LIMITED_RANGE = 2, 1
_SMALLEST_TIMESCALE: Final = 10_000


def assemble(
    chunks: Sequence[Path],
    destination: Path,
    *,
    media: MediaInfo,
    timeline: Timeline,
    sounds: Sequence[SoundTrack] = (),
) -> None:
    """Write ``chunks``, in order, into the MP4 ``destination``: video, then ``sounds``; index first, no names.

    Raises :class:`FidelityBroken` when the chunks' pictures are not exactly those of ``timeline`` or when the chunks
    cannot share one set of parameters.
    """
    presented = _presented_ticks(chunks, media)
    if len(presented) != len(timeline) or sorted(presented) != list(timeline.ticks):
        raise FidelityBroken(reason="ticks_differ")
    decode_ticks = _decode_ticks(presented, timeline)
    with _opened_output(destination, timeline) as output:
        pictures = _pictures(output, chunks, media, timeline, decode_ticks)
        _mux(output, [pictures, *(sound.muxed(output) for sound in sounds)])
    blank_user_data(destination)


def _presented_ticks(chunks: Sequence[Path], media: MediaInfo) -> array[int]:
    ticks, parameters = array("q"), set()
    for chunk in chunks:
        with opened_chunk(chunk) as stream:
            parameters.add(stream.codec_context.extradata)
            ticks.extend(tick for _, tick in chunk_packets(stream, media))
    if len(parameters) != 1:
        raise FidelityBroken(reason="chunks_do_not_fit")
    return ticks


def _decode_ticks(presented: array[int], timeline: Timeline) -> array[int]:
    """Decode times for packets in decode order: the sorted times, late enough that none is after its picture."""
    rank = timeline.index_of
    delay = max(number - rank[tick] for number, tick in enumerate(presented))
    ticks = timeline.ticks
    gap = ticks[1] - ticks[0] if len(ticks) > 1 else 1
    before = array("q", (ticks[0] - gap * (delay - number) for number in range(delay)))
    return before + array("q", ticks[: len(ticks) - delay])


def _opened_output(destination: Path, timeline: Timeline) -> OutputContainer:
    scale = timescale(timeline.time_base)
    options = {
        "movflags": "+faststart",
        "video_track_timescale": str(scale),
        "movie_timescale": str(scale),  # edit lists count in it; a coarser one would round
        "empty_hdlr_name": "1",
        "avoid_negative_ts": "disabled",
        "write_tmcd": "0",
    }
    output = av.open(str(destination), "w", format="mp4", container_options=options)
    output.flags |= BITEXACT
    return output


def timescale(time_base: Fraction) -> int:
    """Units per second of the output track: a multiple of the source's, fine enough for FFmpeg to take it as it is."""
    scale = time_base.denominator
    while scale < _SMALLEST_TIMESCALE:
        scale *= 2
    return scale


def _mux(output: OutputContainer, tracks: Sequence[Iterator[TimedPacket]]) -> None:
    """Each track adds its stream at its first step; packets then follow each other in time, so that none waits long."""
    for track in tracks:
        next(track)
    for _, packet in heapq.merge(*tracks, key=itemgetter(0)):
        output.mux(packet)


def _pictures(
    output: OutputContainer,
    chunks: Sequence[Path],
    media: MediaInfo,
    timeline: Timeline,
    decode_ticks: array[int],
) -> Iterator[TimedPacket]:
    with opened_chunk(chunks[0]) as first:
        target = _add_stream(output, first, media)
    yield Fraction(0), Packet(b"")
    number = 0
    for chunk in chunks:
        with opened_chunk(chunk) as stream:
            for packet, tick in chunk_packets(stream, media):
                packet.stream = target
                packet.time_base = timeline.time_base
                packet.pts = tick - media.origin_tick
                packet.dts = decode_ticks[number] - media.origin_tick
                packet.duration = _next_tick(timeline, tick) - tick
                yield packet.dts * timeline.time_base, packet
                number += 1


def _next_tick(timeline: Timeline, tick: int) -> int:
    following = timeline.index_of[tick] + 1
    return timeline.ticks[following] if following < len(timeline) else timeline.end_tick


def _add_stream(output: OutputContainer, chunk: VideoStream, media: MediaInfo) -> VideoStream:
    stream = output.add_stream_from_template(chunk, opaque=True)
    stream.time_base = Fraction(1, timescale(media.exact_time_base))
    context = stream.codec_context
    if chunk.codec_context.name == "hevc":
        context.codec_tag = "hvc1"  # parameter sets in the sample description only: what Apple's players want
    context.sample_aspect_ratio = Fraction(*media.sample_aspect_ratio)
    context.color_primaries = media.colour.primaries
    context.color_trc = media.colour.transfer
    context.colorspace = media.colour.matrix
    context.color_range = _FULL_RANGE if media.colour.full_range else _LIMITED_RANGE
    stream.set_display_matrix(media.display_matrix)
    return stream
