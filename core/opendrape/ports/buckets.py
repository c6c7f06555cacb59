"""How many requests somebody may still make, counted once for all replicas (H-08)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: ``burst`` at once, refilled by ``per_second``."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw gave. ``seconds_until_next``: when there will be one token, 0.0 when there is."""

    tokens: float
    left: float
    seconds_until_next: float


class Buckets(Protocol):
    """Named buckets in shared storage. Concurrent draws never give more than the rate allows in sum."""

    def draw(self, bucket_id: str, *, want: float, rate: Rate) -> Drawn:
        """Take up to ``want`` whole tokens; none when there is less than one."""

    def forget_full(self, *, idle_seconds: float) -> int:
        """Remove buckets that nobody drew from for so long; returns how many."""
