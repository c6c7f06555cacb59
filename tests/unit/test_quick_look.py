"""H-05, H-02: what an event loop reads by itself is what the stores say, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.sql.quick_look import open_quick_look
from opendrape.domain.work import WorkKind
from opendrape.ports.quick_look import NoQuickLook, QuickLook
from opendrape.ports.video_shelf import Standing
from tests.fakes.catalogue import outcome
from tests.fakes.gateway import ADMIN_KEY, asset_id, gateway_container, plan, register


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        yield made


def test_it_says_what_the_stores_say(container: Any) -> None:
    """H-02: to the microsecond and the type, of everybody's and of an owner's videos, before and after a change."""
    look: QuickLook = container.quick_look
    register(container.catalogue, 1, subject="sr-00000000000000000000000007")
    container.door.owners.add(asset_id(1), "anna")
    plan_it, cancel = partial(plan, container.catalogue, (0, 9)), partial(container.catalogue.cancel, asset_id(1))
    for change in (plan_it, partial(cancel, actor="test")):
        for owner in (None, "anna"):
            assert look.glance(asset_id(1), owner) == container.door.videos.glance(asset_id(1), owner)
            assert look.glance(asset_id(1), owner) is not None
        change()
    assert look.key(ADMIN_KEY.key_id) == container.access.find_key(ADMIN_KEY.key_id)
    container.access.revoke_key(ADMIN_KEY.key_id, actor="test")
    assert look.key(ADMIN_KEY.key_id) == container.access.find_key(ADMIN_KEY.key_id)


def _standing_by_store(container: Any) -> Standing:
    [glance] = container.door.videos.glances([asset_id(1)]).values()
    standing: Standing = container.door.videos.standings([glance.asset])[asset_id(1)]
    return standing


def test_it_says_how_far_a_video_is_as_the_store_says_it(container: Any) -> None:
    """H-02: before the plan, between pieces, while a masker is at one, with pieces kept, and cancelled."""
    look: QuickLook = container.quick_look
    register(container.catalogue, 1)
    said = []

    def same() -> None:
        said.append(_standing_by_store(container))
        assert look.standing(asset_id(1)) == said[-1]

    same()
    plan(container.catalogue, (0, 100), (100, 300))
    same()
    lease = container.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=30)
    container.catalogue.heartbeat(lease, lease_seconds=30, progress=0.25)
    same()
    container.catalogue.complete(lease, outcome(lease))
    same()
    container.catalogue.cancel(asset_id(1), actor="test")
    same()
    assert [(one.frames, one.frames_kept, one.frames_under_way) for one in said[:4]] == [
        (0, 0, 0.0),
        (300, 0, 0.0),
        (300, 0, 25.0),
        (300, 100, 0.0),
    ]


def test_a_look_at_a_standing_keeps_no_snapshot(container: Any, tmp_path: Path) -> None:
    """H-02: three questions of one moment; afterwards nobody is kept from tidying the log of writes."""
    look: QuickLook = container.quick_look
    register(container.catalogue, 1)
    assert look.standing(asset_id(1)) is not None
    register(container.catalogue, 2)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite3", isolation_level=None)) as other:
        busy, written, moved = other.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    assert (busy, written) == (0, moved)


def test_what_is_not_there_or_not_theirs_is_nothing(container: Any) -> None:
    """H-05: a stranger's look finds no video."""
    register(container.catalogue, 1)
    container.door.owners.add(asset_id(1), "anna")
    look: QuickLook = container.quick_look
    assert (look.glance(asset_id(1), "berta"), look.glance(asset_id(2), None), look.key("f" * 12)) == (None, None, None)


def test_it_waits_for_nobody_and_keeps_nobody_waiting(container: Any, tmp_path: Path) -> None:
    """H-08: a writer does not stop it, whoever has the file alone gets None at once, and afterwards it sees again."""
    look: QuickLook = container.quick_look
    assert look.key(ADMIN_KEY.key_id) is not None
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert look.key(ADMIN_KEY.key_id) is not None
        other.execute("ROLLBACK")
        register(container.catalogue, 1)  # its snapshot is over: nobody is kept from writing
    container.catalogue.close()
    look.close()  # type: ignore[attr-defined]
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert look.key(ADMIN_KEY.key_id) is None
        other.execute("ROLLBACK")
    assert look.key(ADMIN_KEY.key_id) is not None


def test_it_cannot_write(container: Any) -> None:
    """V-16 in spirit: a reader's connection reads."""
    look: Any = container.quick_look
    look.key(ADMIN_KEY.key_id)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        look._connection.execute("DELETE FROM api_keys")


def test_a_damaged_file_is_nothing_and_not_an_error(container: Any, tmp_path: Path) -> None:
    """H-07: whoever asks the store is told what is wrong."""
    look: Any = container.quick_look
    container.catalogue.close()
    for rest in tmp_path.glob("catalogue.sqlite3*"):
        rest.write_bytes(b"no database" * 100)
    assert look.key(ADMIN_KEY.key_id) is None


def test_a_catalogue_in_memory_has_none(container: Any) -> None:
    """H-05: nor has PostgreSQL: nothing that waits is asked on an event loop."""
    from opendrape.adapters.sql.database import open_database

    with ExitStack() as opened:
        look = open_quick_look(open_database("sqlite://"), opened)
    assert isinstance(look, NoQuickLook)
    assert (look.key("a"), look.glance("b", None), look.standing("b")) == (None, None, None)
    assert container.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=1) is None
