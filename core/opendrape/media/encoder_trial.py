"""Which encoders really work here: a child encodes a few pictures with each, under the walls that work stands behind.

A name in a list of codecs proves nothing: a hardware encoder is listed wherever it was compiled in. What cannot reach
its device from inside a media child does not work for OpenDrape.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, cast

import av
from av.codec.context import CodecContext
from av.codec.context import Flags as CodecFlags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.output_rules import EncodeRule
from opendrape.errors import OpenDrapeError, PolicyInvalid
from opendrape.media.child import ChildLimits, run_child, serve
from opendrape.media.encoders import encoder_name, encoder_options, prepare

_SIDE, _PICTURES, _SMALLEST_PACKET = 256, 4, 16
_MEMORY_BYTES: Final = 2 << 30
_SILENCE_SECONDS: Final = 60.0
_CODECS: Final = ("h264", "hevc")
_KINDS: Final = ("software", "nvenc", "qsv", "amf", "videotoolbox")
_TRIAL_MEDIA: Final = MediaInfo(
    container="trial",
    codec="trial",
    width=_SIDE,
    height=_SIDE,
    pixel_format="yuv420p",
    bit_depth=8,
    time_base=(1, 25),
    frame_count=_PICTURES,
    first_tick=0,
    duration_seconds=_PICTURES / 25,
    variable_frame_rate=False,
    average_rate=(25, 1),
    key_frames=1,
)


def working_encoders() -> dict[str, bool]:
    """FFmpeg's name of every encoder that a policy can mean, and whether a trial of it succeeded in a child."""
    rules = _every_rule()
    together = _tried_in_child(rules)
    works = together if together is not None else [_works_alone(rule) for rule in rules]
    return {encoder_name(rule): answer for rule, answer in zip(rules, works, strict=True)}


def check_encoder(encode: EncodeRule) -> None:
    """Raise :class:`PolicyInvalid` (``encoder_unavailable``) for a hardware encoder whose trial fails.

    The software encoders come with PyAV and are not tried.
    """
    if encode.encoder != "software" and not _works_alone(encode):
        raise PolicyInvalid("the encoder that the policy names does not work here", reason="encoder_unavailable")


def _every_rule() -> list[EncodeRule]:
    return [EncodeRule.model_validate({"codec": codec, "encoder": kind}) for codec in _CODECS for kind in _KINDS]


def _works_alone(encode: EncodeRule) -> bool:
    """A driver that crashes or hangs takes no other trial with it."""
    return _tried_in_child([encode]) == [True]


def _tried_in_child(rules: list[EncodeRule]) -> list[bool] | None:
    limits = ChildLimits(memory_bytes=_MEMORY_BYTES, silence_seconds=_SILENCE_SECONDS)
    spec = {"rules": [rule.model_dump(mode="json") for rule in rules]}
    try:
        answer = run_child("opendrape.media.encoder_trial", spec, limits=limits)
    except OpenDrapeError:
        return None
    return [works is True for works in answer["works"]]


def _try(spec: dict[str, Any], _: object) -> dict[str, Any]:
    return {"works": [_encodes(EncodeRule.model_validate(rule)) for rule in spec["rules"]]}


def _encodes(encode: EncodeRule) -> bool:
    """True when every picture that went in comes out as a packet that is not empty."""
    av.logging.set_level(None)
    try:
        context = cast(VideoCodecContext, CodecContext.create(encoder_name(encode), "w"))
        prepare(context, media=_TRIAL_MEDIA, threads=1)
        context.framerate = Fraction(25)
        context.flags |= CodecFlags.global_header.value
        context.options = encoder_options(_TRIAL_MEDIA, encode, 1)
        packets = [packet for number in range(_PICTURES) for packet in context.encode(_picture(number))]
        packets += context.encode(None)
    except (av.FFmpegError, ValueError, OSError):
        return False
    return len(packets) == _PICTURES and all(packet.size > _SMALLEST_PACKET for packet in packets)


def _picture(number: int) -> VideoFrame:
    frame = VideoFrame(_SIDE, _SIDE, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes((x * 7 + number * 31) % 251 for x in range(plane.buffer_size)))
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


if __name__ == "__main__":
    serve(_try)
