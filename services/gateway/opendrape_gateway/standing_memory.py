"""How are many who ask for one video's progress answered by one question to the catalogue?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from opendrape.ports.video_shelf import Glance, Standing, VideoShelf

FRESH_SECONDS: Final = 1.0
_MOST: Final = 1024


class StandingMemory:
    """Remembers standings until anything is told of the video, at the longest ``FRESH_SECONDS``: only what a masker
    said about the share of a piece may be that old. Threads may share one.
    """

    def __init__(self, shelf: Callable[[], VideoShelf], monotonic: Callable[[], float]) -> None:
        self._shelf, self._monotonic = shelf, monotonic
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Glance, float, Standing]] = OrderedDict()

    def known(self, glance: Glance) -> Standing | None:
        """What is remembered of a video at which was just glanced; None when that is too old. Never waits."""
        now = self._monotonic()
        with self._lock:
            seen, since, standing = self._known.get(glance.asset.asset_id, (None, 0.0, None))
        return standing if seen == glance and now - since < FRESH_SECONDS else None

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
