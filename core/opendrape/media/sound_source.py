"""Which streams of sound an untrusted video has, and at which sample of the output each packet begins (V-08)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard

from opendrape.domain.media_info import MediaInfo
from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.limits import MediaLimits
from opendrape.media.opening import open_untrusted
from opendrape.media.sound_bits import UnfitToCopy

SOUND_DECODERS: Final = frozenset(
    {
        *("aac", "mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float", "ac3", "eac3", "opus", "libopus", "vorbis"),
        *("flac", "alac", "wmav1", "wmav2", "wmapro", "amrnb", "amrwb", "nellymoser", "adpcm_ima_wav", "adpcm_ms"),
        *("adpcm_swf", "adpcm_ima_qt", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"),
        *("pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_mulaw", "pcm_alaw", "pcm_bluray"),
        *("pcm_dvd", "adpcm_g722", "g722", "g726", "g726le"),
    }
)
"""Names of FFmpeg's decoders that are let near foreign sound."""

_MOST_CHANNELS: Final = 8
_ROUNDING_SECONDS: Final = Fraction(1, 400)  # containers count in milliseconds, some rounded twice


@contextmanager
def opened_sound(descriptor: int, number: int, limits: MediaLimits) -> Iterator[AudioStream]:
    """The ``number``-th stream of sound, alone: every other stream is discarded. Raises :class:`MediaRefused`."""
    av.logging.set_level(None)
    with refusing("corrupt"):
        container = open_untrusted(descriptor, limits, SOUND_DECODERS)
    with container:
        with refusing("corrupt"):
            stream = container.streams.audio[number]
            _check(stream)
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
        yield stream


def _check(stream: AudioStream) -> None:
    context = stream.codec_context
    if context is None or context.name not in SOUND_DECODERS or str(context.codec_tag).lower() == "enca":
        raise MediaRefused(reason="sound_unsupported")
    if not context.sample_rate or not 1 <= len(context.layout.channels) <= _MOST_CHANNELS:
        raise MediaRefused(reason="sound_unsupported")


def origin_seconds(media: MediaInfo) -> Fraction:
    """The source's time that is second 0 of the output."""
    return media.origin_tick * media.exact_time_base


def sound_packets(stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Packets in order; :class:`MediaRefused` for damage or encryption."""
    packets = stream.container.demux(stream)  # type: ignore[attr-defined]
    while True:
        with refusing("corrupt"):
            packet = next(packets, None)
        if packet is None:
            return
        if packet.is_corrupt or packet.has_sidedata("encryption_info"):
            raise MediaRefused(reason="corrupt" if packet.is_corrupt else "encrypted")
        if packet.size:
            yield packet


def begins(packet: Packet[AudioStream], origin: Fraction) -> Fraction:
    """The second of the output at which ``packet`` is heard."""
    if packet.pts is None or packet.time_base is None:
        raise MediaRefused(reason="sound_times_unusable")
    return packet.pts * packet.time_base - origin


class SampleClock:
    """Turns rounded times into sample numbers that follow each other, and leaves real gaps where they are."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._next: int | None = None

    def start_of(self, second: Fraction, samples: int) -> int:
        """The sample at which a packet of ``samples`` samples begins that claims to begin at ``second``.

        Raises :class:`UnfitToCopy` when it would begin before the one in front of it ends.
        """
        claimed = round(second * self._rate)
        start = claimed if self._next is None or self._is_off(claimed) else self._next
        if self._next is not None and start < self._next:
            raise UnfitToCopy("packets overlap")
        self._next = start + samples
        return start

    def _is_off(self, claimed: int) -> bool:
        return abs(claimed - (self._next or 0)) > _ROUNDING_SECONDS * self._rate
