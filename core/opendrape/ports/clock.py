"""What time it is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """``now`` is timezone-aware UTC; ``monotonic`` counts seconds and never goes back."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...
