"""What is in a written chunk, packet by packet, in decode order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.errors import FidelityBroken
from opendrape.media.boundary import refusing
from opendrape.media.nal_units import annex_b_units, length_prefixed_units
from opendrape.media.writer import CHUNK_FORMAT, tick_shift


@contextmanager
def opened_chunk(path: Path) -> Iterator[VideoStream]:
    """The video stream of a chunk that this package wrote."""
    with refusing("corrupt"):
        container = av.open(str(path), "r", format=CHUNK_FORMAT)
    with container:
        yield container.streams.video[0]


def chunk_packets(stream: VideoStream, media: MediaInfo) -> Iterator[tuple[Packet[VideoStream], int]]:
    """Packets with the source's tick of the picture they carry; :class:`FidelityBroken` for a time that is no tick."""
    scale = (stream.time_base or Fraction(0)) / media.exact_time_base
    for packet in stream.container.demux(stream):  # type: ignore[attr-defined]
        if not packet.size:
            continue
        tick = (packet.pts or 0) * scale
        if packet.pts is None or tick.denominator != 1:
            raise FidelityBroken(reason="chunk_differs")
        yield packet, int(tick) + tick_shift(media)


def packet_units(stream: VideoStream, packet: Packet[VideoStream]) -> Iterator[bytes]:
    """NAL units of a chunk's packet, in whichever of the two forms the chunk's head announces."""
    has_lengths = (stream.codec_context.extradata or b"")[:1] == b"\x01"
    return length_prefixed_units(bytes(packet)) if has_lengths else annex_b_units(bytes(packet))
