"""How an encoder is set up so that its chunks fit together, keep the source's facts and carry no text.

The software encoders give the same bytes for the same pictures, rule and threads. Hardware encoders are used only when
a policy names one; what they write is checked like everything else.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from av.codec.context import Flags as CodecFlags
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from opendrape.domain.media_info import FieldOrder, MediaInfo
from opendrape.domain.output_rules import EncodeRule
from opendrape.errors import MediaRefused
from opendrape.media.processor import deterministic_parameters

_FULL_RANGE, _LIMITED_RANGE = 2, 1
_LARGEST_RATE_TERM: Final = 100_000
# x265 refuses lower pictures, and writes beside its memory for those up to 48 wide (glibc's malloc check finds it)
_SMALLEST_HEVC: Final = (64, 32)
_X265_SMALL_BLOCKS_BELOW: Final = 128

SOFTWARE: Final = MappingProxyType({"h264": "libx264", "hevc": "libx265"})
"""FFmpeg's names of the encoders that are used unless a policy names another."""

DROPPED_UNITS: Final = MappingProxyType(
    {"h264": "filter_units=remove_types=6", "hevc": "filter_units=remove_types=39|40"}
)
"""Bitstream filters that take supplemental information (SEI) out of an encoder's packets."""


def encoder_name(encode: EncodeRule) -> str:
    """FFmpeg's name of the encoder that a policy means."""
    return SOFTWARE[encode.codec] if encode.encoder == "software" else f"{encode.codec}_{encode.encoder}"


def check_can_encode(media: MediaInfo, encode: EncodeRule) -> None:
    """Raise :class:`MediaRefused` for a video that the policy's codec cannot keep as it is."""
    if encode.codec != "hevc":
        return
    if media.field_order is not FieldOrder.PROGRESSIVE:
        raise MediaRefused(reason="interlaced_unsupported_in_hevc")
    if media.width < _SMALLEST_HEVC[0] or media.height < _SMALLEST_HEVC[1]:
        raise MediaRefused(reason="too_small_for_hevc")


def add_encoder(container: OutputContainer, *, media: MediaInfo, encode: EncodeRule, threads: int) -> VideoStream:
    """A stream of ``container`` that encodes pictures of ``media`` as the rule says."""
    rate = Fraction(*media.average_rate).limit_denominator(_LARGEST_RATE_TERM)
    options = encoder_options(media, encode, threads)
    stream: Any = container.add_stream(encoder_name(encode), rate=rate, options=options)
    stream.time_base = media.exact_time_base
    prepare(stream.codec_context, media=media, threads=threads)
    return stream  # type: ignore[no-any-return]


def prepare(context: VideoCodecContext, *, media: MediaInfo, threads: int) -> None:
    """Give an encoder the source's geometry, layout, colour tags, fields and time base."""
    context.width, context.height, context.pix_fmt = media.width, media.height, media.pixel_format
    context.time_base = media.exact_time_base
    context.sample_aspect_ratio = Fraction(*media.sample_aspect_ratio)
    context.color_primaries = media.colour.primaries
    context.color_trc = media.colour.transfer
    context.colorspace = media.colour.matrix
    context.color_range = _FULL_RANGE if media.colour.full_range else _LIMITED_RANGE
    context.thread_type = ThreadType.AUTO
    context.thread_count = threads
    context.flags |= CodecFlags.closed_gop.value | CodecFlags.bitexact.value
    if media.field_order is not FieldOrder.PROGRESSIVE:
        context.flags |= CodecFlags.interlaced_dct.value | CodecFlags.interlaced_me.value


def encoder_options(media: MediaInfo, encode: EncodeRule, threads: int) -> dict[str, str]:
    """The options of the encoder that the rule means."""
    if encode.encoder != "software":
        return _hardware(encode)
    return _x264(media, encode) if encode.codec == "h264" else _x265(media, encode, threads)


def _x264(media: MediaInfo, encode: EncodeRule) -> dict[str, str]:
    # stitchable: parameter sets do not depend on the content, so that chunks share one set
    parameters = ["stitchable=1", "open-gop=0", "force-cfr=0", *deterministic_parameters()]
    if media.field_order is not FieldOrder.PROGRESSIVE:
        parameters.append("tff=1" if media.field_order is FieldOrder.TOP_FIRST else "bff=1")
    return {
        "preset": encode.preset,
        "crf": str(encode.crf),
        "forced-idr": "1",  # a picture that starts a chunk refers to nothing before it
        "a53cc": "0",
        "udu_sei": "0",
        "x264-params": ":".join(parameters),
    }


def _x265(media: MediaInfo, encode: EncodeRule, threads: int) -> dict[str, str]:
    # one picture at a time: what x265 decides depends on how many it works on at once, never on the size of its pool
    parameters = ["info=0", "log-level=none", "open-gop=0", "repeat-headers=0", f"pools={threads}", "frame-threads=1"]
    if min(media.width, media.height) < _X265_SMALL_BLOCKS_BELOW:
        parameters.append("ctu=16")
    return {
        "preset": encode.preset,
        "crf": str(encode.crf),
        "forced-idr": "1",  # a picture that starts a chunk refers to nothing before it
        "a53cc": "0",
        "udu_sei": "0",
        "x265-params": ":".join(parameters),
    }


def _hardware(encode: EncodeRule) -> dict[str, str]:
    quality = str(encode.crf)
    options = {
        "nvenc": {"rc": "constqp", "qp": quality, "a53cc": "0", "udu_sei": "0", "extra_sei": "0"},
        "qsv": {"global_quality": quality, "a53cc": "0"},
        "amf": {"rc": "cqp", "qp_i": quality, "qp_p": quality},
        "videotoolbox": {"q:v": str(100 - 2 * encode.crf), "a53cc": "0"},
    }
    return options[encode.encoder]
