"""How an untrusted video is opened: kind first, then one demuxer, one stream, one decoder, all from allow-lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from opendrape.errors import MediaRefused
from opendrape.media.allowed import DECODERS, check_decoder
from opendrape.media.boundary import refusing
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.intactness import check_intact
from opendrape.media.kinds import HEAD_BYTES, Kind, sniff
from opendrape.media.limits import MediaLimits

_BUFFER_BYTES = 256 * 1024
_ERROR_DETECTION = "crccheck+bitstream+buffer"
_ENCRYPTED_TAGS = frozenset({"encv", "drmi"})


@dataclass(frozen=True)
class OpenedVideo:
    """An open container and the one video stream that is read; every other stream is discarded by the demuxer."""

    kind: Kind
    container: InputContainer
    stream: VideoStream

    @property
    def decoder(self) -> str:
        """FFmpeg's name of the decoder that is really used."""
        return str(self.stream.codec_context.name)


@contextmanager
def opened_video(descriptor: int, limits: MediaLimits, *, threads: int) -> Iterator[OpenedVideo]:
    """Open the file behind ``descriptor``; raises :class:`MediaRefused` with a bounded reason."""
    file = DescriptorFile(descriptor)
    kind = _video_kind(file)
    check_intact(file, kind)
    # FFmpeg's messages quote metadata; and a Python callback in a decoder thread would wait for us while we wait for it
    av.logging.set_level(None)
    with refusing("corrupt"):
        container = _open_container(file, kind, limits)
    try:
        with refusing("corrupt"):
            stream = _choose_stream(container, limits)
            _prepare(container, stream, limits, threads)
        yield OpenedVideo(kind, container, stream)
    finally:
        container.close()


def _video_kind(file: DescriptorFile) -> Kind:
    kind = sniff(file.at(0, HEAD_BYTES))
    if not kind.is_video:
        raise MediaRefused(reason=kind.refusal or "not_a_video")
    return kind


def open_untrusted(descriptor: int, limits: MediaLimits, decoders: frozenset[str]) -> InputContainer:
    """The container behind ``descriptor``, ``decoders`` only; raises :class:`MediaRefused` for what is no video."""
    file = DescriptorFile(descriptor)
    container = _open_container(file, _video_kind(file), limits, decoders)
    if len(container.streams) > limits.max_streams:
        container.close()
        raise MediaRefused(reason="too_many_streams")
    return container


def _open_container(
    file: DescriptorFile, kind: Kind, limits: MediaLimits, decoders: frozenset[str] = DECODERS
) -> InputContainer:
    options = {
        "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2" if kind is Kind.MOV else _whitelist(kind),
        "protocol_whitelist": "none",  # the bytes come from the descriptor; nothing else may be opened
        "codec_whitelist": ",".join(sorted(decoders)),
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(limits.max_streams + 1),
    }
    return av.open(
        file, mode="r", format=str(kind), options=options, metadata_errors="replace", buffer_size=_BUFFER_BYTES
    )


def _whitelist(kind: Kind) -> str:
    return "matroska,webm" if kind is Kind.MATROSKA else str(kind)


def _choose_stream(container: InputContainer, limits: MediaLimits) -> VideoStream:
    if len(container.streams) > limits.max_streams:
        raise MediaRefused(reason="too_many_streams")
    videos = real_videos(container)
    if not videos:
        raise MediaRefused(reason="audio_only" if container.streams.audio else "no_video_stream")
    return next((stream for stream in videos if stream.disposition & Disposition.default), videos[0])


def real_videos(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not pictures attached to something else (covers, thumbnails)."""
    attached = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & attached]


def _prepare(container: InputContainer, stream: VideoStream, limits: MediaLimits, threads: int) -> None:
    context = stream.codec_context
    if context is None:
        raise MediaRefused(reason="unsupported_codec")
    if str(context.codec_tag).lower() in _ENCRYPTED_TAGS:
        raise MediaRefused(reason="encrypted")
    check_decoder(context.name)
    limits.check_picture(context.width, context.height)
    context.options = {"max_pixels": str(limits.max_pixels), "err_detect": _ERROR_DETECTION}
    context.thread_type = ThreadType.AUTO
    context.thread_count = threads
    for other in container.streams:
        _silence(other, stream)


def _silence(other: Stream, chosen: VideoStream) -> None:
    if other.index != chosen.index:
        other.discard = Discard.all
