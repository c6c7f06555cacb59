"""What can be asked of the sample generator."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

_VARIABLE_GAPS = (1, 1, 2, 1, 3, 1, 1, 5)
_TICKS_PER_FRAME = 512


@dataclass(frozen=True)
class SampleRequest:
    """What to make. Defaults: the sample of ``make run``. Sizes in pixels, ``rate`` in frames per second.

    ``rotation`` is the clockwise turn on display (0, 90, 180, 270). With ``variable_rate`` gaps between frames vary
    from one to five frame times. ``key_interval`` is in frames; many key frames make many chunks possible. Odd sizes
    need a 4:4:4 ``pixel_format``. Raises ``ValueError`` when they have none.
    """

    seconds: Fraction = Fraction(20)
    width: int = 1920
    height: int = 1080
    rate: Fraction = Fraction(30)
    seed: int = 1
    codec: str = "libx264"
    preset: str = "veryfast"
    crf: int = 20
    pixel_format: str = "yuv420p"
    key_interval: int = 60
    faces: int = 1
    text: bool = True
    sound: bool = True
    variable_rate: bool = False
    rotation: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        if "444" not in self.pixel_format and (self.width % 2 or self.height % 2):
            raise ValueError("odd sizes need a 4:4:4 pixel format")

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick: 512 ticks make a frame time, so that every frame time is exact."""
        return 1 / (self.rate * _TICKS_PER_FRAME)

    @cached_property
    def ticks(self) -> tuple[int, ...]:
        """When each frame is shown."""
        end = self.seconds / self.time_base
        ticks, tick = [], 0
        while tick < end:
            ticks.append(tick)
            gap = _VARIABLE_GAPS[len(ticks) % len(_VARIABLE_GAPS)] if self.variable_rate else 1
            tick += gap * _TICKS_PER_FRAME
        return tuple(ticks)
