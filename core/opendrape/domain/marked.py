"""What a region is that somebody marked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MarkedRegion(BaseModel):
    """A region somebody marked: pixels of the stored picture, frames ``[start_frame, end_frame)``, None: to the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    start_frame: int = Field(default=0, ge=0)
    end_frame: int | None = None
    must_be_solid: bool = Field(default=False, description="no cosmetic effect will do, whatever the policy says")
