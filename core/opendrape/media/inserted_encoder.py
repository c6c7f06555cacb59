"""How pictures are encoded that stand between copied groups: libx264, kept within what the source does."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, cast

from av.codec.context import Flags as CodecFlags
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import EncodeRule
from opendrape.media.inserted_parameters import Needs
from opendrape.media.picture import Picture
from opendrape.media.processor import deterministic_parameters

_FULL_RANGE, _LIMITED_RANGE = 2, 1
_LARGEST_RATE_TERM: Final = 100_000
_PYRAMID_REFERENCES, _PYRAMID_DEPTH = 4, 2
_PRESETS_WITHOUT_REORDERING: Final = frozenset({"ultrafast"})
_BETWEEN = 3  # pictures between two that others refer to, as in the other presets
_PRESET_REFERENCES: Final = {"faster": 2, "fast": 2, "medium": 3, "slow": 5, "slower": 8, "veryslow": 16, "placebo": 16}


class InsertedEncoder:
    """One run of encoded pictures, from an IDR picture on.

    Its parameter sets are in :attr:`extradata`, never in its packets. The same pictures, rule and threads give the
    same packets; what they refer to never lies before the run or before a picture that was asked to start a group.
    """

    def __init__(self, *, media: MediaInfo, encode: EncodeRule, threads: int, needs: Needs, shift: int) -> None:
        self._media, self._shift = media, shift
        self._context = context = VideoCodecContext.create("libx264", "w")
        rate = Fraction(*media.average_rate).limit_denominator(_LARGEST_RATE_TERM)
        context.width, context.height, context.pix_fmt = media.width, media.height, media.pixel_format
        context.framerate, context.time_base = rate, media.exact_time_base
        context.sample_aspect_ratio = Fraction(*media.sample_aspect_ratio)
        context.color_range = _FULL_RANGE if media.colour.full_range else _LIMITED_RANGE
        context.thread_type, context.thread_count = ThreadType.AUTO, threads
        context.flags |= CodecFlags.closed_gop.value | CodecFlags.bitexact.value | CodecFlags.global_header.value
        context.options = _options(encode, needs)
        context.open()

    @property
    def extradata(self) -> bytes:
        """The encoder's own parameter sets, with start codes."""
        return self._context.extradata or b""

    def encode(self, picture: Picture, *, starts_group: bool) -> list[Packet[VideoStream]]:
        """Take one picture, give the packets that are done. Times are ticks less the chunk's shift."""
        frame = picture.frame
        frame.pict_type = PictureType.I if starts_group else PictureType.NONE
        frame.pts = picture.tick - self._shift
        frame.time_base = self._media.exact_time_base
        return cast("list[Packet[VideoStream]]", self._context.encode(frame))

    def flush(self) -> list[Packet[VideoStream]]:
        """The packets that are left; nothing can be encoded afterwards."""
        return cast("list[Packet[VideoStream]]", self._context.encode(None))


def _options(encode: EncodeRule, needs: Needs) -> dict[str, str]:
    # stitchable: parameter sets do not depend on the content, so that chunks share one set
    parameters = ["stitchable=1", "open-gop=0", "force-cfr=0", f"sps-id={needs.number}", *deterministic_parameters()]
    # decoders were seen to lose pictures where one stream reorders and the other does not
    if needs.reordered == 0 or encode.preset in _PRESETS_WITHOUT_REORDERING:
        parameters.append(f"bframes={_BETWEEN if needs.reordered else 0}")
    if needs.reordered < _PYRAMID_DEPTH or needs.references < _PYRAMID_REFERENCES:
        parameters.append("b-pyramid=none")
    if needs.references < _PRESET_REFERENCES.get(encode.preset, 1):
        parameters.append(f"ref={needs.references}")
    # a decoder that finds another number of references than before may empty its buffers without showing them
    parameters.append("keyint=1" if needs.only_key_frames else f"dpb-size={needs.references}")
    return {
        "preset": encode.preset,
        "crf": str(encode.crf),
        "profile": needs.profile,
        "a53cc": "0",
        "udu_sei": "0",
        "x264-params": ":".join(parameters),
    }
