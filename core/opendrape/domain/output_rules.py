"""What a policy says about the written file: what happens to sound, and how pictures are encoded."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opendrape.domain.sound import MutedInterval
from opendrape.errors import PolicyInvalid


class AudioRule(BaseModel):
    """What happens to sound (V-08): ``drop``, ``keep``, or ``mute``: kept but for intervals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["drop", "keep", "mute"] = "drop"
    intervals: tuple[MutedInterval, ...] = Field(default=(), max_length=10_000)
    copy_packets: bool = Field(
        default=True, description="kept sound is copied where its codec allows; false: always encoded anew"
    )

    @model_validator(mode="after")
    def _intervals_belong_to_mute(self) -> AudioRule:
        if self.intervals and self.mode != "mute":
            raise ValueError("muted intervals need mode 'mute'")
        return self

    def with_intervals(self, more: tuple[MutedInterval, ...]) -> AudioRule:
        """This rule for one video with intervals of its own; dropped sound stays dropped."""
        if self.mode == "drop" or not more:
            return self
        return self.model_copy(update={"mode": "mute", "intervals": (*self.intervals, *more)})

    def check_complete(self) -> None:
        """Raise :class:`PolicyInvalid` when sound is to be muted and nobody said where."""
        if self.mode == "mute" and not self.intervals:
            raise PolicyInvalid("sound is to be muted, but no interval is given", reason="mute_intervals_missing")


class EncodeRule(BaseModel):
    """How the video is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Literal["h264", "hevc"] = "h264"
    encoder: Literal["software", "nvenc", "qsv", "amf", "videotoolbox"] = Field(
        default="software", description="hardware only when named, and only where a trial of it succeeds"
    )
    preset: str = "veryfast"
    crf: int = Field(default=20, ge=0, le=40)
    smart_render: bool = Field(
        default=True, description="copy groups of pictures that need no mask instead of encoding them again"
    )
    minimum_psnr_db: float = Field(default=30.0, description="per frame, outside masks, against what was to be written")
