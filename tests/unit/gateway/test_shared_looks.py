"""H-02: many who ask for one video's progress cost few questions, and are never told what is no longer true."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.work import Asset, WorkKind
from opendrape.errors import CatalogueUnavailable
from opendrape.ports.quick_look import NoQuickLook
from opendrape.ports.video_shelf import Glance, Standing
from opendrape_gateway.desk import Desk
from opendrape_gateway.shared_look import SharedLook
from opendrape_gateway.standing_memory import FRESH_SECONDS, StandingMemory
from tests.fakes.catalogue import outcome
from tests.fakes.gateway import asset_id, gateway_container, plan, register

QUICK = 0.01


class CountedShelf:
    """The real shelf; how often it was asked, and whether it answers."""

    def __init__(self, shelf: Any) -> None:
        self._shelf, self.asked, self.is_silent = shelf, {"glances": 0, "standings": 0}, False

    def glances(self, asset_ids: Collection[str]) -> Mapping[str, Glance]:
        self.asked["glances"] += 1
        if self.is_silent:
            raise CatalogueUnavailable
        found: Mapping[str, Glance] = self._shelf.glances(asset_ids)
        return found

    def standings(self, assets: Collection[Asset]) -> Mapping[str, Standing]:
        self.asked["standings"] += 1
        found: Mapping[str, Standing] = self._shelf.standings(assets)
        return found


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        register(made.catalogue, 1)
        plan(made.catalogue, (0, 100), (100, 300))
        made.shelf = CountedShelf(made.door.videos)
        made.memory = StandingMemory(lambda: made.shelf, made.clock.monotonic)
        yield made


def glance(container: Any) -> Glance:
    [seen] = container.door.videos.glances([asset_id(1)]).values()
    return seen


def test_a_standing_is_asked_for_once_while_nothing_happens(container: Any) -> None:
    """Two hundred askers, one question."""
    assert container.memory.known(glance(container)) is None
    assert {container.memory.standing(glance(container)).frames for _ in range(200)} == {300}
    assert container.shelf.asked["standings"] == 1
    assert container.memory.known(glance(container)) is not None


def test_whatever_is_told_of_the_video_is_seen_at_once(container: Any) -> None:
    """A finished piece, without a clock that moves."""
    assert container.memory.standing(glance(container)).frames_kept == 0
    lease = container.catalogue.claim({WorkKind.MASK}, owner="masker-1", lease_seconds=30)
    container.catalogue.complete(lease, outcome(lease))
    assert container.memory.standing(glance(container)).frames_kept == 100


def test_the_share_of_a_piece_is_seen_a_second_later(container: Any) -> None:
    """Nothing is told of it: only time makes it known."""
    lease = container.catalogue.claim({WorkKind.MASK}, owner="masker-1", lease_seconds=30)
    assert container.memory.standing(glance(container)).frames_under_way == 0
    container.catalogue.heartbeat(lease, lease_seconds=30, progress=0.5)
    assert container.memory.standing(glance(container)).frames_under_way == 0
    container.clock.seconds += FRESH_SECONDS
    assert container.memory.standing(glance(container)).frames_under_way == 50


def test_an_event_loop_asks_itself_where_the_video_is_known_and_short(container: Any) -> None:
    """Never of a long one: its pieces are many. Nor of one that nobody has asked the catalogue about."""
    memory = StandingMemory(lambda: container.shelf, container.clock.monotonic, container.quick_look)
    assert memory.at_once(glance(container)) is None
    before = memory.standing(glance(container))
    container.clock.seconds += FRESH_SECONDS
    assert memory.known(glance(container)) is None
    assert memory.at_once(glance(container)) == before
    assert memory.known(glance(container)) == before
    assert container.shelf.asked["standings"] == 1
    long = dataclasses.replace(before, frames=300_001)
    memory._keep(glance(container), container.clock.monotonic(), long)
    assert memory.at_once(glance(container)) == long
    container.clock.seconds += FRESH_SECONDS
    assert memory.at_once(glance(container)) is None


def test_streams_look_on_their_event_loop_where_nothing_has_to_be_waited_for(container: Any) -> None:
    """And what they find is what the catalogue says."""
    container.memory = StandingMemory(lambda: container.shelf, container.clock.monotonic, container.quick_look)
    looks = shared(container)

    async def watch() -> Any:
        with looks.watching(asset_id(1)):
            return [await looks.next(asset_id(1)) for _ in range(3)]

    container.quick_look, quick = NoQuickLook(), container.quick_look
    by_catalogue = asyncio.run(watch())
    asked = dict(container.shelf.asked)
    container.quick_look = quick
    assert asyncio.run(watch()) == by_catalogue
    assert container.shelf.asked == asked


def shared(container: Any) -> SharedLook:
    container.door = type("Door", (), {"videos": container.shelf})
    return SharedLook(Desk(container, health=None, standings=container.memory), QUICK)  # type: ignore[arg-type]


def test_twenty_streams_wait_for_one_look(container: Any) -> None:
    """Also where some of them watch what is not there."""
    looks = shared(container)

    async def watch(name: str) -> Any:
        with looks.watching(name):
            return await looks.next(name)

    async def everybody() -> list[Any]:
        return await asyncio.gather(*(watch(asset_id(1 + number % 2)) for number in range(20)))

    found = asyncio.run(everybody())
    assert [one is None for one in found] == [False, True] * 10
    assert found[0].standing.frames == 300
    assert container.shelf.asked == {"glances": 1, "standings": 1}


def test_a_catalogue_that_is_silent_is_told_to_all_and_asked_again(container: Any) -> None:
    """A stream breaks as before, and the next one goes on."""
    looks = shared(container)

    async def watch() -> Any:
        with looks.watching(asset_id(1)):
            return await looks.next(asset_id(1))

    async def everybody() -> list[Any]:
        container.shelf.is_silent = True
        failed = await asyncio.gather(watch(), watch(), return_exceptions=True)
        container.shelf.is_silent = False
        return [*failed, await watch()]

    first, second, third = asyncio.run(everybody())
    assert isinstance(first, CatalogueUnavailable)
    assert isinstance(second, CatalogueUnavailable)
    assert third.glance.asset.asset_id == asset_id(1)


def test_a_look_that_nobody_waits_for_to_the_end_leaves_nothing_behind(container: Any) -> None:
    """A client that went; another event loop afterwards."""
    looks = shared(container)

    async def leave() -> None:
        with looks.watching(asset_id(1)):
            waiting = asyncio.create_task(looks.next(asset_id(1)))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def stay() -> Any:
        with looks.watching(asset_id(1)):
            return await looks.next(asset_id(1))

    asyncio.run(leave())
    assert asyncio.run(stay()).glance.asset.asset_id == asset_id(1)
