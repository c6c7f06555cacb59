"""When each frame is shown, exactly: ticks, spans, key frames, looks and chunks."""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

_MAGIC = b"ODTL1\n"


@dataclass(frozen=True, slots=True, order=True)
class FrameSpan:
    """Frames ``[start, end)``, 0-based, in presentation order."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.end))

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.end


@dataclass(frozen=True)
class Timeline:
    """Every frame of one video stream in presentation order.

    ``ticks[n]`` is the presentation time of frame ``n`` in units of ``time_base`` seconds, strictly increasing.
    ``key_frames`` are the indices at which decoding can start. ``end_tick`` is where the last frame stops being shown.
    """

    time_base: Fraction
    ticks: Sequence[int]
    key_frames: tuple[int, ...]
    end_tick: int

    def __post_init__(self) -> None:
        if not self.ticks:
            raise ValueError("a timeline has at least one frame")
        if any(later <= earlier for earlier, later in pairwise(self.ticks)):
            raise ValueError("ticks must increase strictly")
        if not self.key_frames or self.key_frames[0] != 0:
            raise ValueError("the first frame must be a key frame")

    def __len__(self) -> int:
        return len(self.ticks)

    @cached_property
    def index_of(self) -> dict[int, int]:
        """Frame index by tick."""
        return {tick: index for index, tick in enumerate(self.ticks)}

    @property
    def duration(self) -> Fraction:
        """From the first frame's start to the last frame's end, in seconds."""
        return (self.end_tick - self.ticks[0]) * self.time_base

    @property
    def average_rate(self) -> Fraction:
        """Frames per second over the whole stream."""
        return len(self.ticks) / self.duration

    @property
    def is_variable(self) -> bool:
        """True when frame distances differ by more than one tick (rounding of a constant rate stays constant)."""
        gaps = [b - a for a, b in pairwise(self.ticks)]
        return bool(gaps) and max(gaps) - min(gaps) > 1

    def seconds(self, frame: int) -> Fraction:
        """Start of ``frame`` in seconds after the first frame."""
        return (self.ticks[frame] - self.ticks[0]) * self.time_base

    def key_frame_at_or_before(self, frame: int) -> int:
        """The last key frame from which ``frame`` can be decoded."""
        return self.key_frames[bisect_right(self.key_frames, frame) - 1]

    def looks(self, max_gap: Fraction) -> tuple[int, ...]:
        """Frames to examine so that every frame lies between two looks at most ``max_gap`` seconds apart.

        Frames further apart than ``max_gap`` are all looks. The first and the last frame always are. The plan is a
        function of the whole timeline, never of a chunk, so that a chunked video is examined like one in one piece.
        """
        ticks, gap = self.ticks, max_gap / self.time_base
        plan = [0]
        for frame in range(1, len(ticks)):
            is_last = frame == len(ticks) - 1
            if is_last or ticks[frame + 1] - ticks[plan[-1]] > gap:
                plan.append(frame)
        return tuple(plan)

    def around(self, span: FrameSpan, seconds: Fraction) -> FrameSpan:
        """``span`` widened by ``seconds`` on both sides, within the video."""
        reach = seconds / self.time_base
        start = bisect_left(self.ticks, self.ticks[span.start] - reach)
        end = bisect_right(self.ticks, self.ticks[span.end - 1] + reach)
        return FrameSpan(start, end)

    def chunks(self, seconds: Fraction) -> tuple[FrameSpan, ...]:
        """Cut at key frames into chunks of at least ``seconds`` (the last takes what is left, never a crumb)."""
        cuts = [0]
        for key in self.key_frames:
            long_enough = self.seconds(key) - self.seconds(cuts[-1]) >= seconds
            rest_is_worth_it = (self.end_tick - self.ticks[key]) * self.time_base >= seconds / 4
            if key and long_enough and rest_is_worth_it:
                cuts.append(key)
        cuts.append(len(self.ticks))
        return tuple(FrameSpan(a, b) for a, b in pairwise(cuts))

    def to_bytes(self) -> bytes:
        """Compact, versioned form: about two bytes a frame."""
        deltas = array("q", _deltas(self.ticks))
        keys = array("q", _deltas(self.key_frames))
        head = f"{self.time_base.numerator} {self.time_base.denominator} {self.end_tick} {len(deltas)} {len(keys)}\n"
        return _MAGIC + zlib.compress(head.encode() + deltas.tobytes() + keys.tobytes(), 6)

    @classmethod
    def from_bytes(cls, packed: bytes) -> Timeline:
        """Inverse of :meth:`to_bytes`. Raises ``ValueError`` on anything else."""
        if not packed.startswith(_MAGIC):
            raise ValueError("not a timeline")
        try:
            raw = zlib.decompress(packed[len(_MAGIC) :])
        except zlib.error as error:
            raise ValueError("not a timeline") from error
        head, _, body = raw.partition(b"\n")
        numerator, denominator, end_tick, frames, keys = map(int, head.split())
        numbers = array("q")
        numbers.frombytes(body)
        if len(numbers) != frames + keys:
            raise ValueError("not a timeline")
        return cls(
            time_base=Fraction(numerator, denominator),
            ticks=array("q", _running_sum(numbers[:frames])),
            key_frames=tuple(_running_sum(numbers[frames:])),
            end_tick=end_tick,
        )


def _deltas(values: Sequence[int]) -> Iterator[int]:
    previous = 0
    for value in values:
        yield value - previous
        previous = value


def _running_sum(deltas: Iterable[int]) -> Iterator[int]:
    total = 0
    for delta in deltas:
        total += delta
        yield total
