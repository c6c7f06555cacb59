"""P-01, P-03, P-04: the key map gives one pseudonym per identifier and keeps the rest under its key."""

from __future__ import annotations

import base64
import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.key_map import key_ring
from opendrape.adapters.key_map.sealing import Kind, Row, Seals
from opendrape.domain.pseudonym import Scheme
from opendrape.errors import ConfigurationError, NotFound
from opendrape.ports.key_map import SourceRecord
from tests.fakes.key_maps import RECORD, SECRETS, SHA, Maps, copy_key


@pytest.mark.parametrize("scheme", list(Scheme))
def test_one_identifier_has_one_pseudonym_also_after_reopening(maps: Maps, scheme: Scheme) -> None:
    """P-01, P-03: the same content and the same record number are recognised."""
    first = maps.open(scheme)
    asset, subject = first.asset_pseudonym(SHA), first.subject_pseudonym("4711")
    first.close()
    again = maps.open(scheme)
    assert (again.asset_pseudonym(SHA), again.subject_pseudonym("4711")) == (asset, subject)
    assert again.find_asset(SHA) == asset
    assert again.subject_pseudonym("4712") != subject
    assert again.asset_pseudonym("4711") != subject


def test_looking_for_an_asset_writes_nothing(maps: Maps) -> None:
    key_map = maps.open()
    assert key_map.find_asset(SHA) is None
    assert key_map.preview_rotation().rows_by_version == {}


def test_two_random_maps_do_not_agree(tmp_path: Path) -> None:
    """P-01: the default scheme cannot be computed, not even with the key."""
    one, other = Maps(tmp_path / "1"), Maps(tmp_path / "2")
    first = one.open().subject_pseudonym("4711")
    other.key_file.parent.mkdir(parents=True)
    copy_key(one, other)
    assert other.open().subject_pseudonym("4711") != first
    one.close()
    other.close()


def test_two_keyed_maps_that_share_the_key_agree_also_after_a_rotation(tmp_path: Path) -> None:
    """P-01: hmac-sha256 is reproducible across runs and sites that share the key."""
    one, other = Maps(tmp_path / "1"), Maps(tmp_path / "2")
    first = one.open(Scheme.HMAC_SHA256)
    other.key_file.parent.mkdir(parents=True)
    copy_key(one, other)
    second = other.open(Scheme.HMAC_SHA256)
    second.rotate(actor="admin")
    assert first.subject_pseudonym("4711") == second.subject_pseudonym("4711")
    assert first.asset_pseudonym(SHA) == second.asset_pseudonym(SHA)
    stranger = Maps(tmp_path / "3")
    assert stranger.open(Scheme.HMAC_SHA256).subject_pseudonym("4711") != first.subject_pseudonym("4711")
    for opened in (one, other, stranger):
        opened.close()


def test_a_blank_record_number_is_refused(maps: Maps) -> None:
    """P-03: blank numbers would merge patients."""
    for blank in ("", "  "):
        with pytest.raises(ValueError, match="blank"):
            maps.open().subject_pseudonym(blank)


def _ask(folder: Path, start: Any, answers: Any) -> None:
    maps = Maps(folder)
    start.wait(timeout=60)
    key_map = maps.open()
    answers.put([key_map.subject_pseudonym(f"{n}") for n in range(20)])
    maps.close()


def test_processes_that_begin_at_the_same_moment_agree(tmp_path: Path) -> None:
    """P-01: one identifier never gets two pseudonyms, also when map and key are made by a race of processes."""
    # not forked: a fork of a process with threads has their locks and not them, and may wait for ever
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(4), context.Queue()
    asking = [context.Process(target=_ask, args=(tmp_path, start, answers)) for _ in range(4)]
    for process in asking:
        process.start()
    said = [tuple(answers.get(timeout=60)) for _ in asking]
    for process in asking:
        process.join()
    assert len(set(said)) == 1
    assert len(set(said[0])) == 20


def test_a_source_comes_back_as_it_was(maps: Maps) -> None:
    key_map = maps.open()
    odd = SourceRecord("/import/caf\udce9/ü\n.mp4", 1, 2, SHA)
    for record in (RECORD, odd):
        key_map.remember_source("a", record)
        assert key_map.known_source(record.path) == ("a", record)
    assert key_map.sources("a") == (odd, RECORD)
    assert key_map.known_source("/elsewhere") is None
    assert key_map.sources("b") == ()


def test_the_source_seen_last_comes_first_and_none_is_kept_twice(maps: Maps) -> None:
    key_map = maps.open()
    other = SourceRecord("/other", 1, 2, SHA)
    for record in (RECORD, other, other, RECORD, RECORD):
        key_map.remember_source("a", record)
    assert key_map.sources("a") == (RECORD, other)


def test_a_path_with_new_content_moves_to_the_new_asset(maps: Maps) -> None:
    """P-03: the old asset is no longer there, and the old patient does not come along."""
    key_map = maps.open()
    key_map.remember_source("old", RECORD, subject_id="s")
    changed = SourceRecord(RECORD.path, 5, 6, "cd" * 32)
    key_map.remember_source("new", changed)
    assert key_map.known_source(RECORD.path) == ("new", changed)
    assert key_map.sources("old") == ()
    with pytest.raises(NotFound):
        key_map.reveal("s", actor="admin", reason="test")


def test_nothing_about_a_person_is_in_clear_on_the_disk(maps: Maps) -> None:
    """P-04: encrypted at rest: no name, path, record number or digest in the map, its log or its side files."""
    key_map = maps.open()
    asset = key_map.asset_pseudonym(SHA)
    key_map.remember_source(asset, RECORD, subject_id=key_map.subject_pseudonym(SECRETS[2]))
    stored = maps.bytes_on_disk()
    assert asset.encode() in stored
    for secret in SECRETS:
        assert secret.encode() not in stored
        assert json.dumps(secret)[1:-1].encode() not in stored
        assert base64.b64encode(secret.encode())[:-4] not in stored
    assert bytes.fromhex(SHA) not in stored


def test_map_and_key_belong_to_their_owner_alone(file_maps: Maps) -> None:
    """P-04: 0600, and the key is announced exactly once."""
    file_maps.open()
    file_maps.open()
    files = [path for path in [*file_maps.folder.iterdir(), file_maps.key_file] if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert len(file_maps.notices) == 1
    assert str(file_maps.folder) not in file_maps.notices[0]


def test_a_row_moved_under_another_name_does_not_open(maps: Maps) -> None:
    """P-04: pseudonym, kind, id and version are authenticated with the ciphertext."""
    maps.open()
    seals = Seals(maps.key_file, key_ring.load_key_ring(maps.key_file))
    row = seals.seal(Row("1", Kind.SOURCE, "a", None, b"x", 0, b""), {"k": "v"}, version=1)
    assert seals.open(row) == {"k": "v"}
    for change in (
        {"row_id": "2"},
        {"kind": Kind.ASSET},
        {"pseudonym": "b"},
        {"subject_id": "s"},
        {"blind": b"y"},
        {"sealed": row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])},
        {"sealed": b""},
    ):
        changed = Row(**{**{name: getattr(row, name) for name in Row.__slots__}, **change})
        with pytest.raises(ConfigurationError) as caught:
            seals.open(changed)
        assert caught.value.reason == "map_row_unreadable"
    again = seals.seal(row, {"k": "v"}, version=1)
    assert again.sealed != row.sealed
