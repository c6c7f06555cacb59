"""What time it is on this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from opendrape.ports.clock import Clock


class SystemClock(Clock):
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
