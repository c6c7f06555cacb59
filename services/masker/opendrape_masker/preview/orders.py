"""What the preview's child is told, and what a person asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from opendrape.domain.media_info import MediaInfo
from opendrape_masker.orders import Limits


@dataclass(frozen=True)
class PreviewWish:
    """Where the sheet goes, and whether the pictures before masking are on it: those are identity."""

    path: Path
    with_originals: bool = False


class PreviewOrder(BaseModel):
    """Draw a sheet of ``masked`` (an open file) into ``folder``; ``source`` only when originals are wanted."""

    model_config = ConfigDict(frozen=True)

    masked: int
    source: int | None
    media: MediaInfo
    timeline: Path
    evidence: tuple[Path, ...]
    limits: Limits
    threads: int
    folder: Path

    @property
    def sheet(self) -> Path:
        """The written PNG."""
        return self.folder / "sheet.png"
