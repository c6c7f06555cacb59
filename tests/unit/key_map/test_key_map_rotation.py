"""P-04, O-03: a key rotation loses nothing, keeps nothing of the old key, and survives kill -9."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from opendrape.adapters.key_map import key_ring, rotation, rows, sqlite_map
from opendrape.errors import StorageUnavailable
from tests.fakes.key_maps import SHA, Maps, cloned, fill
from tests.fakes.killing import kill_points, killed_at

ROTATING = (rotation.__name__, rows.__name__, key_ring.__name__, "opendrape.adapters.private_files")


def test_a_preview_changes_nothing(maps: Maps) -> None:
    """P-04: preview, then apply."""
    key_map = maps.open()
    fill(key_map)
    before = maps.key_file.read_bytes()
    preview = key_map.preview_rotation()
    assert (preview.rows_by_version, preview.new_version) == ({1: 3}, 2)
    assert maps.key_file.read_bytes() == before
    assert key_map.rotate(actor="admin") == preview
    assert key_map.preview_rotation().rows_by_version == {2: 3}
    assert [e.action for e in maps.audited] == ["key_map.rotation_started", "key_map.rotated"]


def test_after_a_rotation_the_old_key_is_gone_and_the_new_one_opens_everything(maps: Maps) -> None:
    """P-04: pseudonyms stay, ciphertexts do not, in more rows than one batch."""
    key_map = maps.open()
    filled = [fill(key_map, number) for number in range(80)]
    old_key, old_rows = json.loads(maps.key_file.read_text()), key_map._rows.all()
    key_map.rotate(actor="admin")
    new_key = json.loads(maps.key_file.read_text())
    assert (new_key["active"]["version"], new_key["retiring"]) == (2, [])
    assert old_key["active"]["key"] not in maps.key_file.read_text()
    assert stat.S_IMODE(maps.key_file.stat().st_mode) == 0o600
    stored = maps.bytes_on_disk()
    assert not any(row.sealed in stored for row in old_rows)
    assert [fill(maps.open(), number) for number in range(80)] == filled


def test_a_process_that_slept_through_a_rotation_writes_under_the_new_key(maps: Maps) -> None:
    """P-04: nobody seals a row under a key that is gone."""
    sleeper, key_map = maps.open(), maps.open()
    key_map.rotate(actor="admin")
    asset, subject = fill(sleeper)
    assert sleeper.preview_rotation().rows_by_version == {2: 3}
    assert maps.open().reveal(subject, actor="admin", reason="look").sources == tuple(sleeper.sources(asset))


def test_one_rotation_at_a_time(maps: Maps) -> None:
    key_map = maps.open()
    with key_map._rows.exclusive(), pytest.raises(StorageUnavailable) as caught:
        maps.open().rotate(actor="admin")
    assert caught.value.reason == "key_map_busy"


def test_a_rotation_killed_at_any_line_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    """P-04, O-03: kill -9 anywhere in a rotation: every row opens at once, and the next rotation finishes it."""

    def rotate(folder: Path) -> None:
        Maps(folder).open().rotate(actor="admin")

    prepared = Maps(tmp_path / "counted")
    filled = fill(prepared.open())
    prepared.close()
    points = list(kill_points(lambda: rotate(cloned(tmp_path, "trial", prepared)), ROTATING, at_most=40))
    for line in points:
        folder = cloned(tmp_path, str(line), prepared)
        assert killed_at(lambda folder=folder: rotate(folder), ROTATING, line)
        after = Maps(folder)
        key_map = after.open()
        assert fill(key_map) == filled
        announced = key_map.rotate(actor="admin").new_version
        assert key_map.preview_rotation().rows_by_version == {announced: 3}
        assert json.loads(after.key_file.read_text())["retiring"] == []
        assert fill(key_map) == filled
        after.close()


def test_a_first_start_killed_at_any_line_can_be_started_again(tmp_path: Path) -> None:
    """O-03: kill -9 while key and map are made."""
    modules = (*ROTATING, sqlite_map.__name__)

    def begin(folder: Path) -> None:
        Maps(folder).open().asset_pseudonym(SHA)

    for line in kill_points(lambda: begin(tmp_path / "trial"), modules, at_most=40):
        folder = tmp_path / str(line)
        assert killed_at(lambda folder=folder: begin(folder), modules, line)
        after = Maps(folder)
        assert after.open().asset_pseudonym(SHA) == after.open().asset_pseudonym(SHA)
        after.close()
