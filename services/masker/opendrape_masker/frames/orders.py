"""What the child that makes pictures is told and what it answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from opendrape.domain.frames import ChosenSegment
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan
from opendrape_masker.orders import Limits


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True)


class Piece(_Order):
    """Masked and checked frames ``[start, end)``: a chunk at ``path``, or the whole masked video (``descriptor``)."""

    start: int
    end: int
    path: Path | None = None
    descriptor: int | None = None

    @property
    def span(self) -> FrameSpan:
        return FrameSpan(self.start, self.end)


class WantedSegment(_Order):
    """One segment's frames ``[start, end)``."""

    segment_id: int
    start: int
    end: int

    @classmethod
    def of(cls, chosen: ChosenSegment) -> WantedSegment:
        return cls(segment_id=chosen.segment_id, start=chosen.span.start, end=chosen.span.end)

    @property
    def chosen(self) -> ChosenSegment:
        return ChosenSegment(self.segment_id, FrameSpan(self.start, self.end))


class FramesOrder(_Order):
    """Write exactly the frames of ``segments`` as pictures into one ZIP in ``folder``; nothing else of ``pieces``."""

    asset_id: str
    policy: str
    picture_format: str
    segments: tuple[WantedSegment, ...]
    pieces: tuple[Piece, ...]
    media: MediaInfo
    timeline: Path
    limits: Limits
    threads: int
    folder: Path

    @property
    def archive(self) -> Path:
        """The written ZIP."""
        return self.folder / "frames.zip"


class FramesAnswer(_Order):
    """The written ZIP, digested after it was read back."""

    path: Path
    sha256: str
    pictures: int
