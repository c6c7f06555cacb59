"""Which files keep still: size and modification time unchanged for a while (I-03)?"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from opendrape.ports.clock import Clock
from opendrape_ingest.beneath import stat_file
from opendrape_ingest.discover import Found

Stat = Callable[[Path, PurePath], os.stat_result]


@dataclass(frozen=True, slots=True)
class Restless:
    """A file that did not keep still, or went away, within the time given."""

    found: Found
    reason: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a file must keep still, and how long to wait for it, in seconds; with the clock to wait by."""

    stable_seconds: float
    wait_seconds: float
    clock: Clock
    sleep: Callable[[float], None]


def settle(
    root: Path, files: Sequence[Found], patience: Patience, *, look: Stat = stat_file
) -> Iterator[Found | Restless]:
    """Each file once: as it is when it has kept still long enough, or restless (``still_growing``, ``vanished``).

    Files come in the order in which they settle. The time is shared: a thousand still files wait as long as one.
    """
    clock = patience.clock
    begun = clock.monotonic()
    waiting = [(file, begun) for file in files]
    while waiting:
        now, restless = clock.monotonic(), []
        for file, since in waiting:
            seen = _look(root, file, look)
            if seen is None:
                yield Restless(file, "vanished")
            elif seen != file:
                restless.append((seen, now))
            elif now - since >= patience.stable_seconds:
                yield file
            else:
                restless.append((file, since))
        waiting = restless
        if waiting and now - begun >= max(patience.wait_seconds, patience.stable_seconds):
            yield from (Restless(file, "still_growing") for file, _ in waiting)
            return
        if waiting:
            patience.sleep(_until_next(waiting, now, patience.stable_seconds))


def _look(root: Path, file: Found, look: Stat) -> Found | None:
    try:
        facts = look(root, file.relative)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    return Found(file.relative, facts.st_size, facts.st_mtime_ns)


def _until_next(waiting: Sequence[tuple[Found, float]], now: float, stable_seconds: float) -> float:
    return max(0.01, min(since for _, since in waiting) + stable_seconds - now)
