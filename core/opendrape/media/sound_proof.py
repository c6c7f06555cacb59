"""Whether the sound of a written file is what was wanted: the same packets, or silence where asked and sound elsewhere.

Copied sound is compared packet by packet with the source. Encoded sound is decoded again: inside every interval each
sample of every channel is zero; outside, the loudness of each tenth of a second is that of the source.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from math import ceil, floor, sqrt
from operator import mul
from pathlib import Path
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from opendrape.domain.sound import Silence
from opendrape.errors import FidelityBroken
from opendrape.media.boundary import refusing
from opendrape.media.sound_bits import is_adts
from opendrape.media.sound_samples import SampleForm, decoded
from opendrape.media.sound_source import opened_sound, origin_seconds
from opendrape.media.sound_tracks import SoundTrack

_COARSE_RATE: Final = 8000
_BLOCK: Final = _COARSE_RATE // 10
_LOUDNESS_SHARE: Final = 0.3  # by which a block's level may differ: about 3 dB
_LOUDNESS_FLOOR: Final = 300.0  # of 32768: below it a block is as good as silent
_FEW_BLOCKS: Final = 0.02  # share of blocks that may differ: a lossy codec smears an onset into its neighbour


def prove_sound(destination: Path, tracks: Sequence[SoundTrack]) -> None:
    """Raise :class:`FidelityBroken` (``sound_differs``, ``sound_not_silent``) unless every track is as wanted."""
    for number, track in enumerate(tracks):
        with refusing("unreadable_output"):
            container = av.open(str(destination), "r", format="mp4", metadata_errors="replace")
        with container:
            written = container.streams.audio[number]
            if (written.codec_context.name.removesuffix("float"), _channels(written)) != (
                track.facts.codec,
                track.facts.channels,
            ):
                raise FidelityBroken(reason="sound_differs")
            if track.is_copied:
                _compare_packets(written, track)
            else:
                _compare_sound(destination, number, track)


def _channels(stream: AudioStream) -> int:
    return len(stream.codec_context.layout.channels)


def _compare_packets(written: AudioStream, track: SoundTrack) -> None:
    with opened_sound(track.wish.descriptor, track.number, track.wish.limits) as source:
        meant = track.copied_packets(source)
        for got, expected in zip_longest(_written(written), meant):
            if got is None or expected is None or got[0] != expected[0] or got[1] != expected[1]:
                raise FidelityBroken(reason="sound_differs")


def _written(stream: AudioStream) -> Iterator[tuple[bytes, int]]:
    rate = stream.codec_context.sample_rate
    with refusing("unreadable_output"):
        for packet in stream.container.demux(stream):  # type: ignore[attr-defined]
            if packet.size:
                if is_adts(bytes(packet)):
                    raise FidelityBroken(reason="sound_differs")
                yield bytes(packet), round((packet.pts or 0) * Fraction(packet.time_base or 1) * rate)


def _compare_sound(destination: Path, number: int, track: SoundTrack) -> None:
    """One decoding for the silence at the full rate, two coarse ones side by side for the loudness elsewhere."""
    silence = track.wish.silence
    form = SampleForm(track.facts.rate, _layout(track), "s16p")
    if not all(_is_silent(frame, silence) for frame in _frames_of(destination, number, form)):
        raise FidelityBroken(reason="sound_not_silent")
    with opened_sound(track.wish.descriptor, track.number, track.wish.limits) as source:
        own = SampleForm.of(source)
        meant = _levels(decoded(source, origin_seconds(track.wish.media), own, silence))
        got = _levels(_frames_of(destination, number, own))
        _compare_levels(meant, got)


def _layout(track: SoundTrack) -> str:
    with opened_sound(track.wish.descriptor, track.number, track.wish.limits) as source:
        return SampleForm.of(source).layout


def _frames_of(destination: Path, number: int, form: SampleForm) -> Iterator[AudioFrame]:
    with refusing("unreadable_output"):
        container = av.open(str(destination), "r", format="mp4", metadata_errors="replace")
    with container:
        yield from decoded(container.streams.audio[number], Fraction(0), form)


def _is_silent(frame: AudioFrame, silence: Sequence[Silence]) -> bool:
    begin, rate, width = frame.pts or 0, frame.sample_rate, frame.format.bytes
    for start, end in silence:
        first = max(ceil(start * rate) - begin, 0)
        last = min(floor(end * rate) - begin, frame.samples)
        if first < last and any(any(memoryview(p).cast("B")[first * width : last * width]) for p in frame.planes):
            return False
    return True


def _compare_levels(meant: Iterator[float], got: Iterator[float]) -> None:
    blocks = different = 0
    for ours, theirs in zip_longest(got, meant, fillvalue=0.0):
        is_off = abs(ours - theirs) > _LOUDNESS_FLOOR + _LOUDNESS_SHARE * max(ours, theirs)
        blocks, different = blocks + 1, different + is_off
    if different > 1 + _FEW_BLOCKS * blocks:
        raise FidelityBroken(reason="sound_differs")


def _levels(frames: Iterator[AudioFrame]) -> Iterator[float]:
    """Root mean square of each tenth of a second from second 0, all channels mixed."""
    mixer = AudioResampler(format="s16", layout="mono", rate=_COARSE_RATE)
    samples: array[int] = array("h")
    is_first = True
    for frame in frames:
        for mixed in mixer.resample(frame):
            if is_first:
                samples.frombytes(bytes(2 * max(0, mixed.pts or 0)))
                is_first = False
            samples.frombytes(bytes(memoryview(mixed.planes[0]).cast("B")[: 2 * mixed.samples]))
        while len(samples) >= _BLOCK:
            yield sqrt(sum(map(mul, samples[:_BLOCK], samples[:_BLOCK])) / _BLOCK)
            del samples[:_BLOCK]
    if samples:
        yield sqrt(sum(map(mul, samples, samples)) / _BLOCK)
