"""How do all event streams of a process look at the catalogue together: one look for all of them, now and then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opendrape.ports.video_shelf import Glance, Standing
from opendrape_gateway.desk import Desk

_FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Look:
    """A video as it was a moment ago."""

    glance: Glance
    standing: Standing


class SharedLook:
    """Two or three questions a look, however many watch. Belongs to one event loop at a time."""

    def __init__(self, desk: Desk, every_seconds: float) -> None:
        self._desk, self._every_seconds = desk, every_seconds
        self._watched: Counter[str] = Counter()
        self._round: asyncio.Task[Mapping[str, Look]] | None = None

    @contextmanager
    def watching(self, asset_id: str) -> Iterator[None]:
        """The video is looked at while the context lasts."""
        self._watched[asset_id] += 1
        try:
            yield
        finally:
            self._watched[asset_id] -= 1
            self._watched += Counter()  # drops what nobody watches

    async def now(self, asset_id: str) -> Look | None:
        """A look at one video, at once; None when there is none."""
        return (await self._looked((asset_id,))).get(asset_id)

    async def next(self, asset_id: str) -> Look | None:
        """What the next shared look finds. An error of the catalogue comes to everybody who waits."""
        if self._round is None or self._round.done():  # ended before it began, with its event loop
            self._round = asyncio.create_task(self._look_later())
            self._round.add_done_callback(_heard)
        return (await asyncio.shield(self._round)).get(asset_id)

    async def _look_later(self) -> Mapping[str, Look]:
        try:
            await asyncio.sleep(self._every_seconds)
        finally:
            self._round = None  # whoever comes from now on waits for the look after this one
        return await self._looked(tuple(self._watched))

    async def _looked(self, asset_ids: Collection[str]) -> Mapping[str, Look]:
        at_once = self._at_once(asset_ids)
        return await asyncio.to_thread(self._look, asset_ids) if at_once is None else at_once

    def _at_once(self, asset_ids: Collection[str]) -> Mapping[str, Look] | None:
        """On the event loop itself, where nothing has to be waited for and few are watched."""
        found: dict[str, Look] = {}
        for name in asset_ids if len(asset_ids) <= _FEW else ():
            glance = self._desk.container.quick_look.glance(name, None)
            standing = None if glance is None else self._desk.standings.at_once(glance)
            if glance is None or standing is None:
                return None
            found[name] = Look(glance, standing)
        return found if found else None

    def _look(self, asset_ids: Collection[str]) -> Mapping[str, Look]:
        glances = self._desk.container.door.videos.glances(asset_ids)
        standings = self._desk.standings.standings(glances.values())
        return {name: Look(glance, standings[name]) for name, glance in glances.items()}


def _heard(ended: asyncio.Task[Mapping[str, Look]]) -> None:
    """Nobody may have waited to the end."""
    if not ended.cancelled():
        ended.exception()
