"""Pictures made of arrays, and facts about them, for tests of the engine."""

from __future__ import annotations

import av
import numpy as np

from opendrape.domain.media_info import ColourTags, MediaInfo
from opendrape.media.reader import Picture


def facts(width: int = 160, height: int = 96, **changes: object) -> MediaInfo:
    """Media info of a small clip."""
    base: dict[str, object] = {
        "container": "mov",
        "codec": "h264",
        "width": width,
        "height": height,
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "time_base": (1, 30),
        "frame_count": 30,
        "first_tick": 0,
        "duration_seconds": 1.0,
        "variable_frame_rate": False,
        "average_rate": (30, 1),
        "key_frames": 1,
        "colour": ColourTags(),
    }
    return MediaInfo.model_validate(base | changes)


def picture(
    width: int = 160, height: int = 96, pixel_format: str = "yuv420p", *, index: int = 0, seed: int = 7
) -> Picture:
    """A picture of noise; planes are filled sample by sample, so that every byte counts."""
    frame = av.VideoFrame(width, height, pixel_format)
    noise = np.random.default_rng(seed)
    for plane in frame.planes:
        wide = "10" in pixel_format
        samples = noise.integers(0, 1023 if wide else 255, plane.buffer_size // (2 if wide else 1))
        plane.update(samples.astype("<u2" if wide else np.uint8).tobytes())
    frame.pts = index
    return Picture(frame, index=index, tick=index)
