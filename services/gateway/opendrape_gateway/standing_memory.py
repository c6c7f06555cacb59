"""How are many who ask for one video's progress answered by one question to the catalogue?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from opendrape.ports.quick_look import NoQuickLook, QuickLook
from opendrape.ports.video_shelf import Glance, Standing, VideoShelf

FRESH_SECONDS: Final = 1.0
_MOST: Final = 1024
_LONG_FRAMES: Final = 300_000
"""Adding up the pieces of a longer video takes milliseconds: not on an event loop."""


class StandingMemory:
    """Remembers standings until anything is told of the video, at the longest ``FRESH_SECONDS``: only what a masker
    said about the share of a piece may be that old. Threads may share one.
    """

    def __init__(
        self, shelf: Callable[[], VideoShelf], monotonic: Callable[[], float], quick: QuickLook = NoQuickLook()
    ) -> None:
        self._shelf, self._monotonic, self._quick = shelf, monotonic, quick
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Glance, float, Standing]] = OrderedDict()

    def known(self, glance: Glance) -> Standing | None:
        """What is remembered of a video at which was just glanced; None when that is too old. Never waits."""
        now = self._monotonic()
        with self._lock:
            seen, since, standing = self._known.get(glance.asset.asset_id, (None, 0.0, None))
        return standing if seen == glance and now - since < FRESH_SECONDS else None

    def at_once(self, glance: Glance) -> Standing | None:
        """As ``standing``, for event loops: what is remembered, or asked by a quick look where the video is known and
        not long. Never waits; None means that ``standing`` is to be asked.
        """
        if (known := self.known(glance)) is not None:
            return known
        with self._lock:
            before = self._known.get(glance.asset.asset_id)
        if before is None or before[2].frames > _LONG_FRAMES:
            return None
        now, asked = self._monotonic(), self._quick.standing(glance.asset.asset_id)
        if asked is not None:
            self._keep(glance, now, asked)
        return asked

    def standing(self, glance: Glance) -> Standing:
        """What one video stands at."""
        return self.standings([glance])[glance.asset.asset_id]

    def standings(self, glances: Collection[Glance]) -> Mapping[str, Standing]:
        """What each stands at; the catalogue is asked once, for those not remembered."""
        found = {one.asset.asset_id: standing for one in glances if (standing := self.known(one))}
        missing = [one for one in glances if one.asset.asset_id not in found]
        if missing:
            now, asked = self._monotonic(), self._shelf().standings([one.asset for one in missing])
            for one in missing:
                self._keep(one, now, asked[one.asset.asset_id])
            found |= asked
        return found

    def _keep(self, glance: Glance, since: float, standing: Standing) -> None:
        with self._lock:
            self._known.pop(glance.asset.asset_id, None)
            self._known[glance.asset.asset_id] = (glance, since, standing)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
