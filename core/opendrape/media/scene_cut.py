"""Whether two pictures in a row show different scenes: good enough to place a key frame, not to mask by."""

from __future__ import annotations

from typing import Final

from av.video.frame import VideoFrame

_SAMPLES: Final = 4096
_CHANGE: Final = 0.08  # of the range of values, on average over the picture


def is_cut(earlier: VideoFrame, later: VideoFrame) -> bool:
    """True when the brightness of the two differs all over. A few thousand samples of each are compared."""
    one, other = _brightness(earlier), _brightness(later)
    peak = (1 << later.format.components[0].bits) - 1
    return sum(abs(a - b) for a, b in zip(one, other, strict=False)) > _CHANGE * peak * max(1, len(one))


def _brightness(frame: VideoFrame) -> list[int]:
    memory = memoryview(frame.planes[0]).cast("B")
    samples = memory if frame.format.components[0].bits <= 8 else memory[: len(memory) & ~1].cast("H")
    # an odd step, so that it does not go down a column
    return samples[:: max(1, len(samples) // _SAMPLES) | 1].tolist()
