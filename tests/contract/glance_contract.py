"""What a glance at a video tells: its row and its newest event, to whoever owns it (H-02, H-05)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import AssetState
from opendrape.domain.work import WorkKind
from opendrape.ports.door import DoorRecords
from tests.contract.door_contract import Opened
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import asset_id, plan, register


class GlanceContract:
    """Subclasses set ``make``."""

    make: Callable[[Path, FakeClock], AbstractContextManager[tuple[SqlCatalogue, DoorRecords]]]

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Opened]:
        clock = FakeClock()
        with self.make(tmp_path, clock) as (catalogue, door):
            yield Opened(door, catalogue, clock)

    def test_a_glance_is_for_the_owner_or_for_whoever_sees_all(self, opened: Opened) -> None:
        """H-05: somebody else's is not there."""
        asset = register(opened.catalogue, 1)
        opened.door.owners.add(asset_id(1), "anna")
        opened.door.owners.add(asset_id(1), "carla")
        glance = opened.door.videos.glance
        seen = glance(asset_id(1), None)
        assert seen is not None
        assert seen.asset == asset
        assert glance(asset_id(1), "anna") == glance(asset_id(1), "carla") == seen
        assert glance(asset_id(1), "berta") is None
        assert glance(asset_id(2), None) is None

    def test_the_newest_event_rises_with_all_that_happens(self, opened: Opened) -> None:
        """H-02: taking a piece and finishing one are seen, whatever the row says."""
        register(opened.catalogue, 1)
        newest = [_newest(opened)]
        plan(opened.catalogue, (0, 100), (100, 300))
        newest.append(_newest(opened))
        opened.catalogue.claim({WorkKind.MASK}, owner="masker-1", lease_seconds=30)
        newest.append(_newest(opened))
        opened.catalogue.cancel(asset_id(1), actor="anna")
        newest.append(_newest(opened))
        assert newest == sorted(set(newest))

    def test_many_glances_are_one_question_and_unknown_videos_are_left_out(self, opened: Opened) -> None:
        """H-02: what event streams ask together."""
        for number in (1, 2):
            register(opened.catalogue, number)
        opened.catalogue.cancel(asset_id(2), actor="anna")
        found = opened.door.videos.glances([asset_id(1), asset_id(2), asset_id(3)])
        assert {name: one.asset.state for name, one in found.items()} == {
            asset_id(1): AssetState.REGISTERED,
            asset_id(2): AssetState.CANCELLED,
        }
        assert found[asset_id(1)] == opened.door.videos.glance(asset_id(1), None)
        assert opened.door.videos.glances([]) == {}


def _newest(opened: Opened) -> int:
    seen = opened.door.videos.glance(asset_id(1), None)
    assert seen is not None
    return seen.newest
