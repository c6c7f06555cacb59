"""What was found about whole scenes, as plain facts: out-of-body time, confirmed intervals, the survey's verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfirmedInterval(_Facts):
    """Frames ``[start_frame, end_frame)`` of which a person said where the endoscope was; wins over any detector."""

    start_frame: int = Field(ge=0)
    end_frame: int = Field(ge=1)
    where: Literal["in_body", "out_of_body"]

    @model_validator(mode="after")
    def _forwards(self) -> ConfirmedInterval:
        if self.end_frame <= self.start_frame:
            raise ValueError("an interval ends after it starts")
        return self


class BodyInterval(_Facts):
    """Frames ``[start_frame, end_frame)`` that are, or may be, out of the body. Seconds count from the first frame."""

    start_frame: int
    end_frame: int
    start_seconds: str = Field(description="exact, as a fraction")
    end_seconds: str
    certainty: Literal["certain", "uncertain", "confirmed"]
    masked: bool
    in_doubt: bool = Field(default=False, description="a look beside it could not tell: a person should")


class SurveyFacts(_Facts):
    """What looking at the whole video said, the same for every chunk of it."""

    overlays: Literal["off", "none", "found", "undecidable"] = "off"
    overlays_why: str = Field(default="", description="a bounded slug when undecidable")
    samples: int = Field(default=0, description="pictures compared")
    overlay_regions: int = 0
    overlay_share: float = Field(default=0.0, description="share of the picture that the regions cover")
    case_sheet: Literal["off", "none", "found", "still_there"] = "off"
    case_sheet_frames: int = Field(default=0, description="leading frames blacked, margin included")
