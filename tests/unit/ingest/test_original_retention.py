"""D-05: uploaded originals go when they are told to, and never before their video was delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.adapters.upload_folder import UploadFolder
from opendrape.domain.states import AssetState
from opendrape.domain.work import WorkKind
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape_ingest.original_retention import OriginalRetention
from tests.fakes.catalogue import memory_catalogue, new_asset, outcome
from tests.fakes.clock import FakeClock
from tests.fakes.key_maps import Maps

DAY = 86400
NAMES = [f"up-{number:032x}" for number in range(3)]


@pytest.fixture
def clock() -> FakeClock:
    """Time that tests move."""
    return FakeClock()


@pytest.fixture
def catalogue(clock: FakeClock) -> Iterator[SqlCatalogue]:
    """An empty one."""
    opened = memory_catalogue(clock)
    yield opened
    opened.close()


@pytest.fixture
def key_map(tmp_path: Path) -> Iterator[KeyMap]:
    """An empty one."""
    maps = Maps(tmp_path)
    yield maps.open()
    maps.close()


@pytest.fixture
def folder(tmp_path: Path) -> UploadFolder:
    """Three files: two are originals (see ``registered``), the third nobody has taken up."""
    made = UploadFolder(tmp_path / "uploads")
    for name in NAMES:
        with made.locked(name) as file:
            file.write(0, b"video")
    return made


def registered(catalogue: SqlCatalogue, key_map: KeyMap, folder: UploadFolder) -> list[str]:
    """Two assets whose originals are the first two files; the third has only its name in the map."""
    assets = [catalogue.register(new_asset(number), actor="test").asset.asset_id for number in (1, 2)]
    for name, owner in zip(NAMES, [*assets, NAMES[2]], strict=True):
        record = SourceRecord(str(folder.path(name)), 5, 0, content_sha256="", original_name="op.mp4")
        key_map.remember_source(owner, record)
    return assets


def delivered(catalogue: SqlCatalogue) -> None:
    """Everything that the first asset needs is done; the second stays where it is."""
    lease = catalogue.claim({WorkKind.PLAN}, owner="test-0001", lease_seconds=10**7)
    while lease is not None:
        catalogue.complete(lease, outcome(lease))
        lease = catalogue.claim({WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.DELIVER}, owner="t", lease_seconds=10**7)


def test_an_original_goes_days_after_its_delivery_and_its_name_stays(
    catalogue: SqlCatalogue, key_map: KeyMap, folder: UploadFolder, clock: FakeClock
) -> None:
    """D-05, P-04, H-09: only of what was delivered, in the audit, with the identity map as it was."""
    first, _ = registered(catalogue, key_map, folder)
    delivered(catalogue)
    assert catalogue.asset(first).state is AssetState.DELIVERED
    rule = OriginalRetention(catalogue, key_map, folder, clock, days=30)
    clock.advance(30 * DAY - 1)
    assert rule.sweep() == 0
    clock.advance(2)
    assert rule.sweep() == 1
    assert folder.names() == NAMES[1:]
    known = key_map.known_source(str(folder.path(NAMES[0])))
    assert known is not None
    assert (known[0], known[1].original_name) == (first, "op.mp4")
    assert catalogue.audit_events(first)[-1].action == "upload.original_removed"
    assert rule.sweep() == 0


def test_nothing_goes_unless_days_are_set(
    catalogue: SqlCatalogue, key_map: KeyMap, folder: UploadFolder, clock: FakeClock
) -> None:
    """D-05: off by default."""
    registered(catalogue, key_map, folder)
    delivered(catalogue)
    clock.advance(10_000 * DAY)
    assert OriginalRetention(catalogue, key_map, folder, clock, days=0).sweep() == 0
    assert folder.names() == NAMES


def test_what_is_masked_again_keeps_its_original(
    catalogue: SqlCatalogue, key_map: KeyMap, folder: UploadFolder, clock: FakeClock
) -> None:
    """D-05: however long ago it was delivered before."""
    first, _ = registered(catalogue, key_map, folder)
    delivered(catalogue)
    clock.advance(40 * DAY)
    assert catalogue.register(
        new_asset(1, policy=new_asset(9).policy.model_copy(update={"digest": "0b" * 32})), actor="t"
    )
    assert catalogue.asset(first).state is AssetState.REGISTERED
    clock.advance(40 * DAY)
    assert OriginalRetention(catalogue, key_map, folder, clock, days=30).sweep() == 0
    assert folder.names() == NAMES
