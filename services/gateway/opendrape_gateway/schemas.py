"""What the HTTP answers look like: pydantic models with a description for every field."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.states import AssetState


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class VideoState(StrEnum):
    """The API's names of states (H-04)."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


class PolicyAnswer(_Answer):
    """The policy the video is under."""

    name: str
    digest: str = Field(description="SHA-256 over the policy's canonical JSON, hex")


class VideoSummary(_Answer):
    """One video in a list. Ids are pseudonyms; nothing here names a person."""

    id: str = Field(description="the asset's pseudonym")
    subject: str | None = Field(description="the patient's pseudonym, when one is known")
    state: VideoState
    internal_state: AssetState = Field(description="the exact state")
    reason: str | None = Field(description="why it is there, as a slug; null when nothing is wrong")
    reason_text: str | None = Field(description="the reason in one sentence")
    progress: float = Field(ge=0, le=1, description="1.0 exactly when completed")
    policy: PolicyAnswer
    size_bytes: int = Field(description="size of the source")
    created_at: datetime
    updated_at: datetime


class VideoList(_Answer):
    """One page of videos in id order."""

    videos: list[VideoSummary]
    next_after: str | None = Field(description="value of `after` for the next page; null on the last")


class ImageList(_Answer):
    """One page of pictures in id order."""

    images: list[VideoSummary]
    next_after: str | None = Field(description="value of `after` for the next page; null on the last")


class PictureAnswer(_Answer):
    """What the probe found; sizes in pixels of the upright picture."""

    family: str = Field(description="jpeg, png, webp or tiff; the masked file is of the same")
    width: int
    height: int
    colours: str = Field(description="grey8, grey16, rgb8 or rgb16")
    metadata_blocks: int = Field(description="blocks of metadata and the like in the source; none is in the output")

    @classmethod
    def of(cls, media: MediaInfo) -> PictureAnswer:
        """The part of the probe's facts that the API shows."""
        return cls(
            family=media.container,
            width=media.width,
            height=media.height,
            colours=media.pixel_format,
            metadata_blocks=media.tag_count,
        )


class MediaAnswer(_Answer):
    """What the probe found; sizes in pixels as coded, before rotation."""

    container: str
    codec: str
    width: int
    height: int
    pixel_format: str
    bit_depth: int
    frames: int
    duration_seconds: float
    average_frame_rate: tuple[int, int] = Field(description="numerator and denominator, frames per second")
    variable_frame_rate: bool
    field_order: str
    rotated: bool = Field(description="true when the file asks to be turned or mirrored for display")
    audio_streams: int

    @classmethod
    def of(cls, media: MediaInfo) -> MediaAnswer:
        """The part of the probe's facts that the API shows."""
        return cls(
            container=media.container,
            codec=media.codec,
            width=media.width,
            height=media.height,
            pixel_format=media.pixel_format,
            bit_depth=media.bit_depth,
            frames=media.frame_count,
            duration_seconds=media.duration_seconds,
            average_frame_rate=media.average_rate,
            variable_frame_rate=media.variable_frame_rate,
            field_order=media.field_order,
            rotated=media.display_matrix is not None,
            audio_streams=media.other_streams.audio,
        )


class ChunkAnswer(_Answer):
    """One piece of the video: frames ``[start_frame, end_frame)``."""

    index: int
    start_frame: int
    end_frame: int
    masked: bool


class Video(VideoSummary):
    """One video in full."""

    media: MediaAnswer | None = Field(description="null until the video was probed")
    chunks: list[ChunkAnswer] = Field(description="empty until the video was planned")


class Image(VideoSummary):
    """One picture in full."""

    media: PictureAnswer | None = Field(description="null until the picture was probed")
