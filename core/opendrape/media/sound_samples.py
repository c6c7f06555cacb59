"""Which samples a stream of sound decodes to, without gaps or overlaps, silent where it must be (V-08)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Final

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from opendrape.domain.sound import Silence
from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.sound_source import sound_packets

_AAC_RATES: Final = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350})
_OTHER_RATE: Final = 48_000
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_REACH_OF_AAC: Final = 2048  # samples that one AAC window covers: none may hold both what is silenced and what is not
_LONGEST_FRAME: Final = 8192  # of any codec on the list (Vorbis)
_JITTER_SECONDS: Final = Fraction(1, 50)
_SILENT_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class SampleForm:
    """How samples are handed on: per second, FFmpeg's names of layout and format."""

    rate: int
    layout: str
    sample_format: str = "fltp"

    @classmethod
    def of(cls, stream: AudioStream) -> SampleForm:
        """The stream's own rate and number of channels where AAC has them."""
        rate = stream.codec_context.sample_rate
        channels = len(stream.codec_context.layout.channels)
        return cls(rate if rate in _AAC_RATES else _OTHER_RATE, _LAYOUTS[channels])


def margin(frame_samples: int, rate: int) -> Fraction:
    """Seconds silenced on both sides of an interval, so that no codec's window reaches from inside to outside."""
    return Fraction(max(_REACH_OF_AAC, frame_samples or _LONGEST_FRAME), rate)


def decoded(
    stream: AudioStream, origin: Fraction, form: SampleForm, silence: Sequence[Silence] = ()
) -> Iterator[AudioFrame]:
    """Frames of samples; ``pts`` counts samples of the output from second 0 and leaves no gap.

    ``silence`` is widened by :func:`margin` and set to zero. Samples before second 0 are not dropped. Raises
    :class:`MediaRefused`.
    """
    wide = margin(stream.codec_context.frame_size or 0, form.rate)
    bounds = [(floor((a - wide) * form.rate), ceil((b + wide) * form.rate)) for a, b in silence]
    following: int | None = None
    for frame in _in_form(stream, form):
        start = _start(frame, origin, form)
        if following is not None and abs(start - following) > _JITTER_SECONDS * form.rate:
            yield from _nothing(following, start, form)
            kept = _from_sample(frame, max(0, following - start), form)
            if kept is None:
                continue
            frame = kept
        else:
            start = start if following is None else following
        frame.pts, frame.time_base = max(start, following or start), Fraction(1, form.rate)
        silenced(frame, bounds)
        following = frame.pts + frame.samples
        yield frame


def _in_form(stream: AudioStream, form: SampleForm) -> Iterator[AudioFrame]:
    resampler = AudioResampler(format=form.sample_format, layout=form.layout, rate=form.rate)
    for packet in sound_packets(stream):
        with refusing("corrupt"):
            frames = [out for frame in packet.decode() for out in resampler.resample(frame)]
        yield from frames
    with refusing("corrupt"):
        rest = [out for frame in stream.codec_context.decode(None) for out in resampler.resample(frame)]
        rest += resampler.resample(None)
    yield from (frame for frame in rest if frame is not None)


def _start(frame: AudioFrame, origin: Fraction, form: SampleForm) -> int:
    if frame.pts is None or not frame.time_base:
        raise MediaRefused(reason="sound_times_unusable")
    return round((frame.pts * frame.time_base - origin) * form.rate)


def _nothing(start: int, end: int, form: SampleForm) -> Iterator[AudioFrame]:
    for at in range(start, end, _SILENT_BLOCK):
        frame = AudioFrame(format=form.sample_format, layout=form.layout, samples=min(_SILENT_BLOCK, end - at))
        frame.sample_rate, frame.pts, frame.time_base = form.rate, at, Fraction(1, form.rate)
        for plane in frame.planes:
            memory = memoryview(plane).cast("B")
            memory[:] = bytes(len(memory))
        yield frame


def _from_sample(frame: AudioFrame, first: int, form: SampleForm) -> AudioFrame | None:
    """The frame without its first samples, which were there already; None when nothing is left."""
    if first >= frame.samples:
        return None
    if first == 0:
        return frame
    rest = AudioFrame(format=form.sample_format, layout=form.layout, samples=frame.samples - first)
    rest.sample_rate = form.rate
    for target, source in zip(rest.planes, frame.planes, strict=True):
        width = _bytes_per_sample(frame)
        kept = memoryview(source).cast("B")[first * width : frame.samples * width]
        memoryview(target).cast("B")[: len(kept)] = kept
    return rest


def _bytes_per_sample(frame: AudioFrame) -> int:
    return frame.format.bytes * (1 if frame.format.is_planar else len(frame.layout.channels))


def silenced(frame: AudioFrame, bounds: Sequence[tuple[int, int]]) -> None:
    """Set the samples of ``frame`` that lie in ``[start, end)`` of any of ``bounds`` to zero, in every channel."""
    begin, width = frame.pts or 0, _bytes_per_sample(frame)
    for start, end in bounds:
        first, last = max(start - begin, 0), min(end - begin, frame.samples)
        if first < last:
            for plane in frame.planes:
                memoryview(plane).cast("B")[first * width : last * width] = bytes((last - first) * width)
