"""How large an untrusted video may be before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.errors import MediaRefused
from opendrape.settings import MediaSettings


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits on one video; a video over any of them is refused, not shortened."""

    max_pixels: int = 8192 * 4352
    max_frames: int = 5_000_000
    max_duration_seconds: float = 48 * 3600.0
    max_streams: int = 64

    @classmethod
    def from_settings(cls, settings: MediaSettings) -> MediaLimits:
        """The limits that a site configured."""
        return cls(
            max_pixels=settings.max_pixels,
            max_frames=settings.max_frames,
            max_duration_seconds=settings.max_duration_seconds,
            max_streams=settings.max_streams,
        )

    def check_picture(self, width: int, height: int) -> None:
        """Raise :class:`MediaRefused` (``too_many_pixels``) for a picture over the limit."""
        if width * height > self.max_pixels:
            raise MediaRefused(reason="too_many_pixels")

    def check_frames(self, frames: int) -> None:
        """Raise :class:`MediaRefused` (``too_many_frames``) when the video has more frames than allowed."""
        if frames > self.max_frames:
            raise MediaRefused(reason="too_many_frames")

    def check_duration(self, seconds: float) -> None:
        """Raise :class:`MediaRefused` (``too_long``) when the video lasts longer than allowed."""
        if seconds > self.max_duration_seconds:
            raise MediaRefused(reason="too_long")
