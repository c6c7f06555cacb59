"""Whether an assembled file is exactly its chunks, shown exactly when the source was shown (V-10)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.errors import FidelityBroken
from opendrape.media.allowed import without_range
from opendrape.media.boundary import refusing
from opendrape.media.chunk_packets import chunk_packets, opened_chunk, packet_units
from opendrape.media.movie_boxes import opened_boxes, shown_seconds
from opendrape.media.nal_units import length_prefixed_units
from opendrape.media.picture_facts import colour_tags, display_matrix, field_order


def prove(destination: Path, chunks: Sequence[Path], *, media: MediaInfo, timeline: Timeline, sounds: int = 0) -> None:
    """Open the written file anew and compare it with its chunks and with the source's facts.

    Compared: number and order of packets and a digest of each payload, every time, the end, geometry, rotation, sample
    aspect ratio, bit depth, chroma layout, field order and colour tags. ``sounds`` streams of sound follow the video;
    :func:`opendrape.media.sound_proof.prove_sound` looks into them. Raises :class:`FidelityBroken`.
    """
    with refusing("unreadable_output"):
        container = av.open(str(destination), "r", format="mp4", metadata_errors="replace")
    with container:
        with refusing("unreadable_output"):
            picture = _first_picture(container, sounds)
            container.seek(0)
        with opened_chunk(chunks[0]) as chunk:
            _compare_stream(container, picture, media, str(chunk.codec_context.name))
        _compare_packets(container.streams.video[0], chunks, media, timeline)
    with opened_boxes(destination) as file, refusing("unreadable_output"):
        if shown_seconds(file) != (timeline.end_tick - media.origin_tick) * timeline.time_base:
            raise FidelityBroken(reason="duration_differs")


def _first_picture(container: InputContainer, sounds: int) -> VideoFrame:
    if [stream.type for stream in container.streams] != ["video", *["audio"] * sounds]:
        raise FidelityBroken(reason="streams_differ")
    return next(container.decode(container.streams.video[0]))


def _compare_stream(container: InputContainer, picture: VideoFrame, media: MediaInfo, codec: str) -> None:
    stream = container.streams.video[0]
    aspect = stream.sample_aspect_ratio or Fraction(1)
    differences = {
        "codec_differs": stream.codec_context.name != codec,
        "geometry_differs": (picture.width, picture.height) != (media.width, media.height),
        "pixel_format_differs": without_range(picture.format.name) != without_range(media.pixel_format),
        "sample_aspect_differs": aspect != Fraction(*media.sample_aspect_ratio),
        "rotation_differs": display_matrix(picture) != media.display_matrix,
        "colour_differs": colour_tags(picture) != media.colour,
        "field_order_differs": field_order(stream.codec_context, [picture]) != media.field_order,
    }
    for reason, is_broken in differences.items():
        if is_broken:
            raise FidelityBroken(reason=reason)


def _compare_packets(stream: VideoStream, chunks: Sequence[Path], media: MediaInfo, timeline: Timeline) -> None:
    scale = (stream.time_base or Fraction(0)) / timeline.time_base
    ticks = array("q")
    for written, (payload, tick) in zip_longest(_written(stream), _expected(chunks, media), fillvalue=(None, 0)):
        if not isinstance(written, Packet) or payload is None:
            raise FidelityBroken(reason="packet_count_differs")
        if _digest(length_prefixed_units(bytes(written))) != payload:
            raise FidelityBroken(reason="packet_differs")
        shown = (written.pts or 0) * scale + media.origin_tick
        if written.pts is None or shown != tick:
            raise FidelityBroken(reason="ticks_differ")
        ticks.append(tick)
    if sorted(ticks) != list(timeline.ticks):
        raise FidelityBroken(reason="ticks_differ")


def _written(stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    with refusing("unreadable_output"):
        for packet in stream.container.demux(stream):  # type: ignore[attr-defined]
            if packet.size and not packet.is_discard:
                yield packet


def _expected(chunks: Sequence[Path], media: MediaInfo) -> Iterator[tuple[bytes, int]]:
    for chunk in chunks:
        with opened_chunk(chunk) as stream:
            for packet, tick in chunk_packets(stream, media):
                yield _digest(packet_units(stream, packet)), tick


def _digest(units: Iterator[bytes]) -> bytes:
    digest = sha256()
    for unit in units:
        digest.update(len(unit).to_bytes(4))
        digest.update(unit)
    return digest.digest()
