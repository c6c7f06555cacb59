"""P-04: revealing, destroying and exporting are audited acts that do what they say, to the last byte."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from opendrape.adapters.key_map import key_ring, rows
from opendrape.adapters.key_map.sealing import Kind, Row, Seals
from opendrape.domain.audit import AuditEvent
from opendrape.errors import BlobConflict, NotFound, StorageUnavailable
from opendrape.ports.key_map import SourceRecord
from tests.fakes.key_maps import RECORD, SECRETS, SHA, Maps, fill


def test_a_reveal_is_audited_before_anything_is_shown(maps: Maps) -> None:
    """P-04: reverse look-up is an audited admin act; without an audit there is no look."""
    key_map = maps.open()
    asset, subject = key_map.asset_pseudonym(SHA), key_map.subject_pseudonym(SECRETS[2])
    key_map.remember_source(asset, RECORD, subject_id=subject)
    for pseudonym in (asset, subject):
        assert key_map.reveal(pseudonym, actor="admin", reason="recall").sources == (RECORD,)
    with pytest.raises(NotFound):
        key_map.reveal("nobody", actor="admin", reason="recall")
    events = [(e.actor, e.action, e.object_id, e.facts) for e in maps.audited]
    assert events == [("admin", "key_map.reveal", p, {"reason": "recall"}) for p in (asset, subject, "nobody")]
    assert not any(secret in repr(maps.audited) for secret in SECRETS)

    def refuse(_event: AuditEvent) -> None:
        raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        maps.open(audit=refuse).reveal(asset, actor="admin", reason="recall")


def test_a_destroyed_subject_is_gone_from_map_and_disk(maps: Maps) -> None:
    """P-04: destroyed for one subject: not re-identifiable by us, not even from the bytes of the file or its log."""
    key_map = maps.open()
    asset, subject = fill(key_map, 1)
    key_map.remember_source(asset, SourceRecord("/copy without a number", 1, 2, f"{1:064x}"))
    other_asset, other = fill(key_map, 2)
    doomed = [row for row in key_map._rows.all() if row.pseudonym in (asset, subject)]
    assert all(row.sealed in maps.bytes_on_disk() for row in doomed)
    assert key_map.destroy_subject(subject, actor="admin", reason="withdrawn") == 4 == len(doomed)
    stored = maps.bytes_on_disk()
    for row in doomed:
        assert row.sealed not in stored
        assert row.blind not in stored
        assert row.row_id.encode() not in stored
    for pseudonym in (asset, subject):
        with pytest.raises(NotFound):
            key_map.reveal(pseudonym, actor="admin", reason="look")
    assert key_map.find_asset(f"{1:064x}") is None
    assert len(key_map.reveal(other, actor="admin", reason="look").sources) == 1
    assert key_map.sources(other_asset)
    assert key_map.destroy_subject(subject, actor="admin", reason="again") == 0
    assert [e.facts["rows"] for e in maps.audited if e.action == "key_map.destroy_subject"] == [4, 0]


def test_an_asset_shared_by_two_subjects_stays_with_the_other(maps: Maps) -> None:
    key_map = maps.open()
    asset, subject = fill(key_map, 1)
    key_map.remember_source(asset, SourceRecord("/of another", 1, 2, f"{1:064x}", "R-2"), subject_id="other")
    key_map.destroy_subject(subject, actor="admin", reason="withdrawn")
    assert key_map.find_asset(f"{1:064x}") == asset
    assert [record.path for record in key_map.sources(asset)] == ["/of another"]


def test_a_destruction_that_a_reader_holds_up_says_so(file_maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-04: rows still in the write-ahead log are not called destroyed."""
    monkeypatch.setattr(rows, "_BUSY_SECONDS", 0.05)
    key_map, reader = file_maps.open(), file_maps.open()
    _, subject = fill(key_map)
    reader._rows._run("BEGIN")
    reader._rows._run("SELECT * FROM entries")
    with pytest.raises(StorageUnavailable) as caught:
        key_map.destroy_subject(subject, actor="admin", reason="withdrawn")
    assert caught.value.reason == "key_map_busy"
    reader._rows._run("COMMIT")
    assert key_map.destroy_subject(subject, actor="admin", reason="withdrawn") == 0


def test_an_export_is_private_encrypted_and_opens_with_the_key(maps: Maps, tmp_path: Path) -> None:
    """P-04: exported, encrypted."""
    key_map = maps.open()
    key_map.remember_source("a", RECORD)
    fill(key_map)
    out = tmp_path / "export.jsonl"
    assert key_map.export(out, actor="admin", reason="move") == 4
    head, *lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert head == {"format": "opendrape-key-map-export/1", "rows": 4}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not any(secret in out.read_text() for secret in SECRETS)
    first = {**lines[0], "kind": Kind(lines[0]["kind"])}
    first.update({name: base64.b64decode(lines[0][name]) for name in ("blind", "sealed")})
    seals = Seals(maps.key_file, key_ring.load_key_ring(maps.key_file))
    assert seals.open(Row(**first))["path"] == RECORD.path
    with pytest.raises(BlobConflict):
        key_map.export(out, actor="admin", reason="move")
    assert [e.action for e in maps.audited] == ["key_map.export"] * 2
