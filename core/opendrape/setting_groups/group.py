"""What do all groups of settings have in common?"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Cannot be changed, and knows no name but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
