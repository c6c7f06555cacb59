"""How much is under way at a time, how long is waited, how often is asked again?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Memory of a store's uploads is bounded by ``block_bytes * (parallel + 1)``, that of one read by the same.

    A request is given up after ``request_seconds`` and tried ``attempts`` times in all, with full-jitter delays that
    double from ``first_delay_seconds`` to ``longest_delay_seconds``. A server that wants to be left alone for longer
    than that is not asked again here: the work item's own back-off takes over.
    """

    block_bytes: int = 4 * 2**20
    parallel: int = 8
    request_seconds: float = 60.0
    attempts: int = 5
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 20.0


MOST_BLOCKS = 50_000
"""Of one blob, a limit of the service."""

RANGE_BYTES = 4 * 2**20
"""Read at a time; the service gives a checksum of a range up to this size."""


def block_bytes(size: int, tuning: Tuning) -> int:
    """The block size for a file: larger than configured only when the file would need too many blocks."""
    return max(tuning.block_bytes, -(-size // MOST_BLOCKS))
