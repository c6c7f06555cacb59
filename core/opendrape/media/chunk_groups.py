"""How single groups of a written chunk are read back, and whether what was copied is really the source's (V-11)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from av.codec.context import ThreadType
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import FidelityBroken
from opendrape.media.boundary import refusing
from opendrape.media.chunk_packets import chunk_packets, opened_chunk, packet_units
from opendrape.media.copying import Copyable
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import opened_video
from opendrape.media.picture import Picture
from opendrape.media.source_packets import SourcePackets
from opendrape.media.writer import picture_of_chunk

_Located = tuple["Packet[VideoStream]", int]


def read_chunk_groups(
    path: Path, *, media: MediaInfo, timeline: Timeline, threads: int, spans: Sequence[FrameSpan]
) -> Iterator[Picture]:
    """Decode only ``spans`` of a chunk, rising and each of whole groups as they were written; nothing else.

    ``index`` and ``tick`` are the source's. Raises :class:`FidelityBroken` (``chunk_differs``) when a frame is missing,
    comes at another time or in another format, and when a span does not start where decoding can start.
    """
    expected = (frame for span in spans for frame in span)
    with opened_chunk(path) as stream:
        stream.thread_type, stream.thread_count = ThreadType.AUTO, threads
        for frame in _decoded(stream, _packets_of(stream, media, timeline, spans)):
            index = next(expected, None)
            if index is None:
                raise FidelityBroken(reason="chunk_differs")
            picture = picture_of_chunk(frame, stream, media, index=index)
            if picture.tick != timeline.ticks[index]:
                raise FidelityBroken(reason="chunk_differs")
            yield picture
    if next(expected, None) is not None:
        raise FidelityBroken(reason="chunk_differs")


def read_chunk_looks(
    path: Path, *, media: MediaInfo, timeline: Timeline, threads: int, spans: Sequence[FrameSpan], looks: frozenset[int]
) -> Iterator[Picture]:
    """Yield the ``looks`` inside ``spans``, in order; what nothing refers to, and no look is at, is not decoded.

    ``spans`` as for :func:`read_chunk_groups`; those without a look are passed over. Raises :class:`FidelityBroken`
    (``chunk_differs``) when a look does not come as it should.
    """
    spans = [span for span in spans if any(frame in looks for frame in span)]
    awaited = iter([frame for span in spans for frame in span if frame in looks])
    with opened_chunk(path) as stream:
        stream.thread_type, stream.thread_count = ThreadType.AUTO, threads
        packets = _skipping(stream, _packets_of(stream, media, timeline, spans), spans, looks)
        for frame in _decoded(stream, packets):
            picture = picture_of_chunk(frame, stream, media, index=0)
            index = timeline.index_of.get(picture.tick)
            if index in looks:
                if index != next(awaited, None):
                    raise FidelityBroken(reason="chunk_differs")
                picture.index = index
                yield picture
    if next(awaited, None) is not None:
        raise FidelityBroken(reason="chunk_differs")


def _skipping(
    stream: VideoStream, packets: Iterable[_Located], spans: Sequence[FrameSpan], looks: frozenset[int]
) -> Iterator[_Located]:
    """Drop what comes after the last look of a span; of the rest let the decoder drop what nothing refers to."""
    left = {span.start: sum(1 for frame in span if frame in looks) for span in spans}
    for packet, frame in packets:
        start = spans[bisect_right(spans, frame, key=_start_of) - 1].start
        if left[start]:
            left[start] -= frame in looks
            stream.codec_context.skip_frame = "DEFAULT" if frame in looks else "NONREF"
            yield packet, frame


def _start_of(span: FrameSpan) -> int:
    return span.start


def prove_copied(
    path: Path, descriptor: int, *, source: Copyable, spans: Sequence[FrameSpan], limits: MediaLimits
) -> int:
    """Read the source again and hold it against the chunk: every slice of every packet of ``spans``, in decode order.

    ``spans`` rise and are whole groups. Returns how many frames were compared; raises :class:`FidelityBroken`
    (``copied_packet_differs``) at the first difference in bytes, in time or in number.
    """
    compared = 0
    with opened_video(descriptor, limits, threads=1) as video, opened_chunk(path) as stream:
        packets = SourcePackets(video, source.head, source.timeline)
        meant = ((packet.frame, _digest(packet.units)) for span in spans for packet in packets.of(span))
        chunk = _packets_of(stream, source.media, source.timeline, spans)
        written = ((frame, _digest(packet_units(stream, packet))) for packet, frame in chunk)
        for copied, original in zip_longest(written, meant):
            if copied != original:
                raise FidelityBroken(reason="copied_packet_differs")
            compared += 1
    return compared


def _packets_of(
    stream: VideoStream, media: MediaInfo, timeline: Timeline, spans: Sequence[FrameSpan]
) -> Iterator[_Located]:
    """Packets of ``spans`` with their frames; where a span starts and after it ends decoding must be able to start."""
    before: FrameSpan | None = None
    for packet, tick in chunk_packets(stream, media):
        frame = timeline.index_of.get(tick)
        span = next((span for span in spans if frame is not None and frame in span), None)
        if span is not before and not packet.is_keyframe:
            raise FidelityBroken(reason="chunk_differs")
        if span is not None and frame is not None:
            if span is not before and frame != span.start:
                raise FidelityBroken(reason="chunk_differs")
            yield packet, frame
        before = span


def _decoded(stream: VideoStream, packets: Iterable[_Located]) -> Iterator[VideoFrame]:
    for packet, _ in packets:
        with refusing("corrupt"):
            frames = packet.decode()
        yield from frames
    with refusing("corrupt"):
        left = stream.codec_context.decode(None)
    yield from left


def _digest(units: Iterable[bytes]) -> bytes:
    digest = sha256()
    for unit in units:
        digest.update(len(unit).to_bytes(4))
        digest.update(unit)
    return digest.digest()
