"""How masked pictures become one chunk that keeps every tick and carries no text, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import av
from av.bitstream import BitStreamFilterContext
from av.codec.context import ThreadType
from av.container.core import Flags as ContainerFlags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import EncodeRule
from opendrape.errors import FidelityBroken
from opendrape.media.allowed import without_range
from opendrape.media.borders import PaddedEncoder
from opendrape.media.boundary import refusing
from opendrape.media.encoders import DROPPED_UNITS, add_encoder, check_can_encode
from opendrape.media.picture import Picture

CHUNK_FORMAT: Final = "nut"
"""Chunks lie in NUT, which takes any time base as it is; nobody but the assembler reads them."""

BITEXACT: Final = int(cast(int, ContainerFlags.bitexact.value))
"""Flag of a muxer that leaves out its own name and version."""


class ChunkWriter:
    """Encodes pictures into ``path`` as ``encode`` says; a context manager whose clean exit flushes.

    The chunk starts with an IDR picture, refers to nothing outside itself, and is the same, byte for byte, for the same
    pictures, rule and number of threads (with a software encoder). Colour tags, sample aspect, field order, bit depth
    and chroma layout are those of ``media``; times are the pictures' own ticks. SEI is removed. Raises
    :class:`MediaRefused` for a video that the codec cannot keep as it is.
    """

    def __init__(self, path: Path, *, media: MediaInfo, encode: EncodeRule, threads: int) -> None:
        self._path = path
        self._media = media
        self._encode = encode
        self._threads = threads
        self._last_tick: int | None = None
        self._padded: PaddedEncoder | None = None

    def __enter__(self) -> Self:
        check_can_encode(self._media, self._encode)
        av.logging.set_level(None)
        self._container = av.open(
            str(self._path), "w", format=CHUNK_FORMAT, container_options={"avoid_negative_ts": "disabled"}
        )
        self._container.flags |= BITEXACT
        self._stream = add_encoder(self._container, media=self._media, encode=self._encode, threads=self._threads)
        self._drop_sei = BitStreamFilterContext(DROPPED_UNITS[self._encode.codec], self._encode.codec)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._mux(self._padded.finish() if self._padded else self._stream.encode(None))
        finally:
            self._container.close()

    def write(self, picture: Picture) -> None:
        """Encode one picture; pictures come in presentation order. Raises :class:`FidelityBroken` when they do not."""
        if self._last_tick is not None and picture.tick <= self._last_tick:
            raise FidelityBroken(reason="ticks_out_of_order")
        self._last_tick = picture.tick
        frame = picture.frame
        frame.pict_type = 0  # the encoder decides; the source's choice would break the chunk's rate control
        frame.pts = picture.tick - tick_shift(self._media)
        frame.time_base = self._media.exact_time_base
        self._padded = self._padded or self._new_padding(picture)
        self._mux(self._padded.put(frame))

    def _new_padding(self, first: Picture) -> PaddedEncoder:
        media = self._media
        return PaddedEncoder(
            self._stream.encode,
            is_start=first.tick == media.first_tick,
            frames_in_all=media.frame_count,
            gap=round(1 / (Fraction(*media.average_rate) * media.exact_time_base)),
        )

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            for clean in self._drop_sei.filter(packet):
                clean.stream = self._stream
                clean.time_base = self._media.exact_time_base
                self._container.mux(clean)


def read_chunk(path: Path, *, media: MediaInfo, threads: int) -> Iterator[Picture]:
    """Decode a chunk that :class:`ChunkWriter` wrote; ``index`` counts from 0, ticks are the source's.

    Raises :class:`FidelityBroken` when the picture's format or time base is not that of ``media``.
    """
    with refusing("corrupt"):
        container = av.open(str(path), "r", format=CHUNK_FORMAT)
    with container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = ThreadType.AUTO, threads
        for index, frame in enumerate(container.decode(stream)):
            yield picture_of_chunk(frame, stream, media, index=index)


def picture_of_chunk(frame: VideoFrame, stream: VideoStream, media: MediaInfo, *, index: int) -> Picture:
    """A frame that came out of a chunk, at its tick; :class:`FidelityBroken` when it is not like ``media``."""
    tick = (frame.pts or 0) * (stream.time_base or Fraction(0)) / media.exact_time_base + tick_shift(media)
    picture = Picture(frame, index=index, tick=int(tick))
    if frame.pts is None or tick.denominator != 1 or frame.is_corrupt or not _is_like(picture, media):
        raise FidelityBroken(reason="chunk_differs")
    return picture


def tick_shift(media: MediaInfo) -> int:
    """What is taken off every tick inside a chunk: NUT knows no negative times."""
    return min(0, media.first_tick)


def _is_like(picture: Picture, media: MediaInfo) -> bool:
    same_layout = without_range(picture.pixel_format) == without_range(media.pixel_format)
    return same_layout and (picture.width, picture.height) == (media.width, media.height)
