"""How each stream of sound comes into the output: not at all, copied, or decoded, silenced and encoded anew (V-08).

Every stream of the source is kept, in the source's order, so that no choice is made in silence. Nothing of a stream's
language, title or name is carried over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.packet import Packet

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.sound import Silence, SoundTrackFacts
from opendrape.media.limits import MediaLimits
from opendrape.media.sound_bits import COPYABLE, UnfitToCopy, clean_header, clean_packet
from opendrape.media.sound_samples import SampleForm, decoded
from opendrape.media.sound_source import SampleClock, begins, opened_sound, origin_seconds, sound_packets

_BITS_PER_CHANNEL: Final = 96_000
_ENCODER: Final = "aac"
_CODEC_NAMES: Final = {"mp3float": "mp3", "libopus": "opus"}

TimedPacket = tuple[Fraction, "Packet[Any]"]
"""Second of the output at which it is muxed, and the packet, bound to its stream."""


@dataclass(frozen=True, slots=True)
class SoundWish:
    """What is wanted of the sound of the video behind ``descriptor``; ``silence`` in seconds of the output."""

    descriptor: int
    media: MediaInfo
    limits: MediaLimits
    silence: tuple[Silence, ...] = ()
    copy: bool = True


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """One stream of sound and what is done with it; ``header`` replaces the decoder's configuration when copied."""

    wish: SoundWish
    number: int
    facts: SoundTrackFacts
    header: bytes | None = None

    @property
    def is_copied(self) -> bool:
        """True when packets go through as they are."""
        return self.facts.how == "copied"

    def muxed(self, output: OutputContainer) -> Iterator[TimedPacket]:
        """Add the track's stream to ``output`` at the first step; then its packets, in order."""
        with opened_sound(self.wish.descriptor, self.number, self.wish.limits) as source:
            yield from self._copied(output, source) if self.is_copied else self._encoded(output, source)

    def copied_packets(self, source: AudioStream) -> Iterator[tuple[bytes, int, int]]:
        """Payload, first sample and number of samples of every packet that is copied."""
        rate, codec = source.codec_context.sample_rate, self.facts.codec
        clock, origin = SampleClock(rate), origin_seconds(self.wish.media)
        for packet in sound_packets(source):
            samples = _samples(packet, source)
            yield clean_packet(codec, bytes(packet)), clock.start_of(begins(packet, origin), samples), samples

    def _copied(self, output: OutputContainer, source: AudioStream) -> Iterator[TimedPacket]:
        target = output.add_stream_from_template(source, opaque=True)
        rate = source.codec_context.sample_rate
        target.time_base = Fraction(1, rate)
        if self.header is not None:
            target.codec_context.extradata = self.header
        yield Fraction(0), Packet(b"")
        for payload, start, samples in self.copied_packets(source):
            packet: Packet[Any] = Packet(payload)
            packet.stream, packet.time_base = target, Fraction(1, rate)
            packet.pts = packet.dts = start
            packet.duration, packet.is_keyframe = samples, True
            yield Fraction(start, rate), packet

    def _encoded(self, output: OutputContainer, source: AudioStream) -> Iterator[TimedPacket]:
        form = SampleForm.of(source)
        target: Any = output.add_stream(_ENCODER, rate=form.rate, layout=form.layout)
        context = target.codec_context
        context.bit_rate = _BITS_PER_CHANNEL * len(context.layout.channels)
        context.options = {"aac_pns": "0"}  # noise in place of sound would be sound that nobody made
        context.flags |= CodecFlags.bitexact.value
        context.time_base = target.time_base = Fraction(1, form.rate)
        yield Fraction(0), Packet(b"")
        frames: Iterator[AudioFrame] = decoded(source, origin_seconds(self.wish.media), form, self.wish.silence)
        for packet in _encode_all(target, frames):
            packet.stream = target
            yield (packet.dts or 0) * Fraction(packet.time_base or 1), packet


def _encode_all(target: Any, frames: Iterator[AudioFrame]) -> Iterator[Packet[Any]]:
    for frame in frames:
        yield from target.encode(frame)
    yield from target.encode(None)


def _samples(packet: Packet[AudioStream], source: AudioStream) -> int:
    """How many samples a packet stands for; MP4 says it exactly, and shorter for one whose end is cut off."""
    seconds, rate = (packet.duration or 0) * Fraction(packet.time_base or 1), source.codec_context.sample_rate
    fixed = int(source.codec_context.frame_size or 0)
    return round(seconds * rate) if seconds and (packet.time_base == Fraction(1, rate) or not fixed) else fixed


def sound_tracks(wish: SoundWish) -> tuple[SoundTrack, ...]:
    """What is done with every stream that has any sound. Reads each once, so that nothing is found while writing."""
    planned = [_planned(wish, number) for number in range(wish.media.other_streams.audio)]
    return tuple(track for track in planned if track is not None)


def _planned(wish: SoundWish, number: int) -> SoundTrack | None:
    with opened_sound(wish.descriptor, number, wish.limits) as source:
        first = next((bytes(packet) for packet in sound_packets(source)), None)
        if first is None:
            return None
        codec = _CODEC_NAMES.get(str(source.codec_context.name), str(source.codec_context.name))
        why: Literal["asked", "muted", "codec_unfit"] | None = (
            "muted" if wish.silence else "asked" if not wish.copy else "codec_unfit" if codec not in COPYABLE else None
        )
        if why is not None:
            return SoundTrack(wish, number, _facts(source, codec, how="encoded", why=why, silent=len(wish.silence)))
        copied = SoundTrack(wish, number, _facts(source, codec, how="copied", why="asked"))
        try:
            return _checked(copied, source, first)
        except UnfitToCopy:
            return SoundTrack(wish, number, _facts(source, codec, how="encoded", why="text_found"))


def _checked(track: SoundTrack, source: AudioStream, first: bytes) -> SoundTrack:
    """The track with its header, after every packet was found fit to be copied."""
    header = clean_header(track.facts.codec, source.codec_context.extradata, first)
    with opened_sound(track.wish.descriptor, track.number, track.wish.limits) as again:
        packets = sum(1 for _ in track.copied_packets(again))
    facts = track.facts.model_copy(update={"checked_packets": packets})
    return SoundTrack(track.wish, track.number, facts, header)


def _facts(
    source: AudioStream, codec: str, *, how: Literal["copied", "encoded"], why: str, silent: int = 0
) -> SoundTrackFacts:
    form = SampleForm.of(source)
    return SoundTrackFacts(
        how=how,
        why=why,
        source_codec=codec,
        codec=codec if how == "copied" else _ENCODER,
        rate=source.codec_context.sample_rate if how == "copied" else form.rate,
        channels=len(source.codec_context.layout.channels),
        silent_intervals=silent,
    )
