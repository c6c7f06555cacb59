"""How a generated test video gets into a file: pictures, sound, tags, chapters and SEI text, at exact ticks.

Only generators of synthetic samples use it. It writes on purpose what the pipeline must remove.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.video.frame import VideoFrame

_SEI_UUID = b"OpenDrapeSample!"
_H264 = "libx264"


@dataclass(frozen=True, slots=True)
class SampleVideo:
    """The video stream: size in pixels, FFmpeg pixel format, seconds per tick, encoder settings.

    ``key_interval`` is in frames. Planes given to the writer are tightly packed rows, 16-bit little endian above 8 bit.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    pixel_format: str = "yuv420p"
    codec: str = _H264
    preset: str = "veryfast"
    crf: int = 20
    key_interval: int = 60
    threads: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SampleSound:
    """A mono AAC stream: samples per second."""

    rate: int = 48_000


@dataclass(frozen=True, slots=True)
class SampleText:
    """What identifies somebody beside the picture: tags, SEI text in key frames, chapters (start second, title)."""

    tags: Mapping[str, str] = field(default_factory=dict)
    stream_title: str = ""
    user_text: str = ""
    chapters: Sequence[tuple[Fraction, str]] = ()


class SampleWriter:
    """Writes one sample. Use as a context manager; the file is complete after a clean exit."""

    def __init__(self, path: Path, video: SampleVideo, *, sound: SampleSound | None, text: SampleText) -> None:
        self._spec, self._sound_spec, self._text = video, sound, text
        # `use_metadata_tags` keeps every tag as text, as phones and recorders do; without it most would be lost.
        options = {"movflags": "use_metadata_tags"} if path.suffix in {".mp4", ".mov"} else {}
        self._container: Any = av.open(str(path), "w", options=options)
        self._container.metadata.update(dict(text.tags))
        self._video = self._video_stream()
        self._sound = self._sound_stream() if sound else None
        self._sound_at = 0
        self._last_tick = 0

    def _video_stream(self) -> Any:
        spec = self._spec
        stream = self._container.add_stream(spec.codec, rate=spec.rate, options=_encoder_options(spec))
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, spec.pixel_format
        context = stream.codec_context
        context.time_base, stream.time_base = spec.time_base, spec.time_base
        context.gop_size, context.thread_count = spec.key_interval, spec.threads
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 2 if spec.full_range else 1
        if self._text.stream_title:
            stream.metadata["title"] = stream.metadata["handler_name"] = self._text.stream_title
        return stream

    def _sound_stream(self) -> Any:
        assert self._sound_spec is not None
        return self._container.add_stream("aac", rate=self._sound_spec.rate, layout="mono", bit_rate=64_000)

    def write_picture(self, tick: int, planes: Sequence[bytes | memoryview]) -> None:
        """One picture shown from ``tick``; one tightly packed buffer per plane."""
        frame = VideoFrame(self._spec.width, self._spec.height, self._spec.pixel_format)
        for plane, rows in zip(frame.planes, planes, strict=True):
            _fill(plane, rows)
        frame.pts, frame.time_base = tick, self._spec.time_base
        self._last_tick = tick
        self._mux_video(self._video.encode(frame))

    def write_sound(self, samples: bytes) -> None:
        """Signed 16-bit mono samples that follow the ones before."""
        if self._sound is None or self._sound_spec is None or not samples:
            return
        count = len(samples) // 2
        frame = AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(samples + bytes(frame.planes[0].buffer_size - len(samples)))
        frame.sample_rate, frame.pts = self._sound_spec.rate, self._sound_at
        frame.time_base = Fraction(1, self._sound_spec.rate)
        self._sound_at += count
        self._container.mux(self._sound.encode(frame))

    def _mux_video(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            self._container.mux(self._with_text(packet) if packet.is_keyframe else packet)

    def _with_text(self, packet: Packet[Any]) -> Packet[Any]:
        if not self._text.user_text or self._spec.codec != _H264:
            return packet
        marked: Packet[Any] = Packet(user_text_unit(self._text.user_text) + bytes(packet))
        marked.pts, marked.dts, marked.duration = packet.pts, packet.dts, packet.duration
        marked.time_base, marked.stream, marked.is_keyframe = packet.time_base, self._video, True
        return marked

    def __enter__(self) -> SampleWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._mux_video(self._video.encode(None))
            if self._sound is not None:
                self._container.mux(self._sound.encode(None))
            self._set_chapters()
        self._container.close()

    def _set_chapters(self) -> None:
        if not self._text.chapters:
            return
        end = self._last_tick * self._spec.time_base
        starts = [start for start, _ in self._text.chapters]
        bounds = [*starts[1:], max([end, *starts])]
        self._container.set_chapters(
            [
                {
                    "id": number,
                    "start": int(start * 1000),
                    "end": int(stop * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, ((start, title), stop) in enumerate(zip(self._text.chapters, bounds, strict=True))
            ]
        )


def user_text_unit(text: str) -> bytes:
    """An Annex B SEI NAL unit "user data unregistered" (ITU-T H.264 D.2.7) that carries ``text``.

    Text holds no zero bytes, so that no emulation prevention is needed.
    """
    payload = _SEI_UUID + text.encode()
    length, size = len(payload), b""
    while length >= 255:
        length, size = length - 255, size + b"\xff"
    return b"\x00\x00\x00\x01\x06\x05" + size + bytes([length]) + payload + b"\x80"


def write_packets(path: Path, packets: Sequence[bytes], *, codec: str, width: int, height: int) -> None:
    """Mux ready-made packets, a second each, under a declared size: for files that lie about themselves."""
    container: Any = av.open(str(path), "w", format="mov")
    with container:
        stream = container.add_mux_stream(codec, rate=Fraction(1), width=width, height=height)
        stream.time_base = Fraction(1, 1000)
        for number, content in enumerate(packets):
            packet: Packet[Any] = Packet(content)
            packet.pts = packet.dts = number * 1000
            packet.duration, packet.time_base = 1000, Fraction(1, 1000)
            packet.stream, packet.is_keyframe = stream, True
            container.mux(packet)


def _encoder_options(spec: SampleVideo) -> dict[str, str]:
    options = {"preset": spec.preset, "crf": str(spec.crf)}
    if spec.codec == "libx265":
        options["x265-params"] = f"log-level=none:pools={spec.threads}"
    return options


def _fill(plane: Any, rows: bytes | memoryview) -> None:
    """Copy tightly packed rows into a plane whose rows may be padded."""
    content = memoryview(rows).cast("B")
    row = len(content) // plane.height
    if row == plane.line_size:
        target = memoryview(plane).cast("B")
        target[: len(content)] = content
        return
    target = memoryview(plane).cast("B")
    for number in range(plane.height):
        start = number * plane.line_size
        target[start : start + row] = content[number * row : (number + 1) * row]
