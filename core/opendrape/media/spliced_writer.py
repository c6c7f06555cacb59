"""How a chunk is written of which some groups of pictures are copied from the source and others encoded (V-11)."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import EncodeRule
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.avc_configuration import stream_head
from opendrape.media.copying import Copyable, Group
from opendrape.media.inserted_encoder import InsertedEncoder
from opendrape.media.inserted_parameters import record_for
from opendrape.media.limits import MediaLimits
from opendrape.media.nal_units import PICTURE_DATA, annex_b_units, unit_type, with_lengths
from opendrape.media.opening import opened_video
from opendrape.media.picture import Picture
from opendrape.media.source_packets import SourcePackets
from opendrape.media.writer import BITEXACT, CHUNK_FORMAT, tick_shift

_Packets = list["Packet[VideoStream]"]


@dataclass
class _Encoded:
    """A group whose pictures go through the encoder; ``packets`` are those that came out and are not yet written."""

    span: FrameSpan
    is_settled: bool = False
    is_dropped: bool = False
    arrived: int = 0
    packets: deque[Packet[VideoStream]] = field(default_factory=deque)

    @property
    def is_complete(self) -> bool:
        return self.arrived == len(self.span)


@dataclass(frozen=True)
class _Copied:
    """Whole groups that are read from the source when their turn comes."""

    span: FrameSpan


class SplicedWriter:
    """Writes the span of ``source`` into ``path``; a context manager whose clean exit flushes and wants every frame.

    Every frame comes exactly once and in order: :meth:`write` for a picture that is encoded, :meth:`copy` for whole
    groups that are not. Copied packets are the source's slices, byte for byte; nothing else of the source's is written.
    All chunks of one source share one head, with or without copied groups. The same calls give the same bytes. Memory
    is bounded by the encoded packets of about two groups.
    """

    def __init__(
        self,
        path: Path,
        *,
        media: MediaInfo,
        encode: EncodeRule,
        threads: int,
        source: Copyable,
        descriptor: int,
        limits: MediaLimits,
    ) -> None:
        self._path, self._media, self._encode, self._threads = path, media, encode, threads
        self._source, self._descriptor, self._limits = source, descriptor, limits
        self._shift = tick_shift(media)
        self._next = source.span.start
        self._muxed = 0
        self._queue: deque[_Encoded | _Copied] = deque()
        self._open: _Encoded | None = None

    def __enter__(self) -> Self:
        av.logging.set_level(None)
        with ExitStack() as stack:
            encoder = self._new_encoder()
            self._encoder: InsertedEncoder | None = encoder
            video = stack.enter_context(opened_video(self._descriptor, self._limits, threads=1))
            self._packets = SourcePackets(video, self._source.head, self._source.timeline)
            self._delay = max(self._source.reordered, stream_head(encoder.extradata).sequence.reordered or 0)
            self._open_container(stack, video.stream, record_for(self._source.head, encoder.extradata))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._finish_run()
                self._drain()
                if self._muxed != len(self._source.span):
                    raise FidelityBroken(reason="frame_count_differs")
            self._encoder = None

    def write(self, picture: Picture) -> None:
        """Encode one picture, the next in order; :class:`FidelityBroken` (``ticks_out_of_order``) for any other."""
        timeline = self._source.timeline
        if picture.index != self._next or picture.index not in self._source.span:
            raise FidelityBroken(reason="ticks_out_of_order")
        if picture.tick != timeline.ticks[picture.index]:
            raise FidelityBroken(reason="ticks_out_of_order")
        group = self._source.group_of(picture.index)
        starts = picture.index == group.span.start
        if starts:
            self._begin(group)
        self._encoder = self._encoder or self._new_encoder()
        self._next += 1
        self._take(self._encoder.encode(picture, starts_group=starts))
        self._drain()

    def copy(self, span: FrameSpan) -> None:
        """Take the whole groups of ``span``, the next frames in order, from the source; ``ValueError`` if it cannot."""
        self._check_copyable(span)
        if span.start != self._next:
            raise FidelityBroken(reason="ticks_out_of_order")
        self._finish_run()
        self._queue.append(_Copied(span))
        self._next = span.end
        self._drain()

    def copy_instead(self, span: FrameSpan) -> None:
        """Forget what was written of the last group, all of it or its beginning, and copy it from the source.

        ``span`` is that whole group; it must come before the first picture of the next one. ``ValueError`` if not.
        """
        self._check_copyable(span)
        if self._open is None or self._open.span != span:
            raise ValueError("only the group that is being written can be replaced")
        self._open.is_dropped, self._open.is_settled = True, True
        self._open.packets.clear()
        self._open = None
        self._next = span.end
        if not self._awaits_packets():
            self._encoder = None  # what it still holds is not worth encoding
        self._drain()

    def _check_copyable(self, span: FrameSpan) -> None:
        if not all(group.is_copyable for group in self._source.whole_groups(span)):
            raise ValueError("a group that cannot be copied")

    def _begin(self, group: Group) -> None:
        self._settle()
        item = _Encoded(group.span, is_settled=not group.is_copyable)
        self._queue.append(item)
        self._open = item if group.is_copyable else None

    def _settle(self) -> None:
        if self._open is not None:
            self._open.is_settled = True
            self._open = None

    def _finish_run(self) -> None:
        """End the encoder, flushed unless it only holds pictures of groups that were dropped."""
        self._settle()
        if self._encoder is not None and self._awaits_packets():
            self._take(self._encoder.flush())
        self._encoder = None

    def _awaits_packets(self) -> bool:
        return any(isinstance(item, _Encoded) and not item.is_dropped and not item.is_complete for item in self._queue)

    def _take(self, packets: _Packets) -> None:
        for packet in packets:
            frame = self._source.timeline.index_of.get((packet.pts or 0) + self._shift)
            item = next((item for item in self._queue if frame is not None and frame in item.span), None)
            if isinstance(item, _Encoded) and not item.is_dropped:
                item.arrived += 1
                item.packets.append(packet)

    def _drain(self) -> None:
        """Write what is due: a group only once it can no longer be replaced."""
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _Copied) or item.is_dropped:
                self._write_copied(item.span)
            elif not self._write_encoded(item):
                return
            self._queue.popleft()

    def _write_copied(self, span: FrameSpan) -> None:
        ticks = self._source.timeline.ticks
        for packet in self._packets.of(span):
            if packet.frame is not None:
                self._mux(with_lengths(packet.units), ticks[packet.frame], is_start=packet.is_start)

    def _write_encoded(self, item: _Encoded) -> bool:
        if not item.is_settled:
            return False
        while item.packets:
            packet = item.packets.popleft()
            units = [unit for unit in annex_b_units(bytes(packet)) if unit_type(unit) in PICTURE_DATA]
            self._mux(with_lengths(units), (packet.pts or 0) + self._shift, is_start=packet.is_keyframe)
        return item.is_complete

    def _mux(self, payload: bytes, tick: int, *, is_start: bool) -> None:
        packet = cast("Packet[VideoStream]", Packet(payload))
        packet.stream = self._stream
        packet.time_base = self._media.exact_time_base
        packet.pts, packet.dts = tick - self._shift, self._decode_tick() - self._shift
        packet.is_keyframe = is_start
        self._container.mux(packet)
        self._muxed += 1

    def _decode_tick(self) -> int:
        """The sorted times, late enough for the deepest reordering of both streams."""
        ticks, start = self._source.timeline.ticks, self._source.span.start
        at = self._muxed - self._delay
        if at >= 0:
            return ticks[start + at]
        return ticks[start] + at * (ticks[start + 1] - ticks[start] if len(self._source.span) > 1 else 1)

    def _new_encoder(self) -> InsertedEncoder:
        return InsertedEncoder(
            media=self._media, encode=self._encode, threads=self._threads, needs=self._source.needs, shift=self._shift
        )

    def _open_container(self, stack: ExitStack, source: VideoStream, record: bytes) -> None:
        options = {"avoid_negative_ts": "disabled"}
        self._container = av.open(str(self._path), "w", format=CHUNK_FORMAT, container_options=options)
        stack.callback(self._container.close)
        self._container.flags |= BITEXACT
        # the template brings the size and how long a decoder waits; no tags, and the head is replaced
        self._stream = self._container.add_stream_from_template(source, opaque=True)
        self._stream.time_base = self._media.exact_time_base
        self._stream.codec_context.extradata = record
