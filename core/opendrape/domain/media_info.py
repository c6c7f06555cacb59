"""What a probe says about one video, without a word about who is in it."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

STILL_ENDINGS: Final = MappingProxyType({"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"})
"""What ``container`` says of a still picture, and how the name of a file of that family ends."""


class FieldOrder(StrEnum):
    """How the picture is scanned."""

    PROGRESSIVE = "progressive"
    TOP_FIRST = "top_first"
    BOTTOM_FIRST = "bottom_first"


class ColourTags(BaseModel):
    """Colour description by the codes of ITU-T H.273 (2: unspecified). ``full_range`` is the pixel range."""

    model_config = ConfigDict(frozen=True)

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False


class OtherStreams(BaseModel):
    """How many streams besides the video there are, by kind; none of them is ever copied."""

    model_config = ConfigDict(frozen=True)

    audio: int = 0
    subtitle: int = 0
    data: int = 0
    attachment: int = 0
    attached_picture: int = 0
    video: int = 0


class MediaInfo(BaseModel):
    """The facts that the fidelity contract keeps (V-10). Sizes in pixels as coded for display before rotation."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    container: str = Field(
        description="FFmpeg demuxer that recognised the content, e.g. mov, matroska, avi; jpeg, png, webp or tiff"
    )
    codec: str = Field(description="FFmpeg decoder name, e.g. h264")
    profile: str | None = None
    width: int
    height: int
    pixel_format: str
    bit_depth: int
    sample_aspect_ratio: tuple[int, int] = (1, 1)
    display_matrix: tuple[int, ...] | None = Field(
        default=None, description="nine 16.16/2.30 fixed-point numbers as in ISO 14496-12, None when identity"
    )
    field_order: FieldOrder = FieldOrder.PROGRESSIVE
    colour: ColourTags = ColourTags()
    time_base: tuple[int, int]
    frame_count: int
    first_tick: int
    origin_tick: int = Field(
        default=0,
        description="tick of the container's time zero, never after first_tick; output times count from it",
    )
    frames_numbered: bool = Field(
        default=False, description="frames carry no times: the n-th that comes out has the n-th decode time"
    )
    duration_seconds: float
    variable_frame_rate: bool
    average_rate: tuple[int, int]
    key_frames: int
    other_streams: OtherStreams = OtherStreams()
    tag_count: int = Field(default=0, description="container and stream tags, chapters counted; never their text")

    @property
    def is_still(self) -> bool:
        """True for one picture that is no video."""
        return self.container in STILL_ENDINGS

    @property
    def output_ending(self) -> str:
        """How the name of the masked file ends: a video's is MP4, a picture stays of its family."""
        return STILL_ENDINGS.get(self.container, ".mp4")

    @property
    def exact_time_base(self) -> Fraction:
        """Seconds per tick."""
        return Fraction(*self.time_base)
