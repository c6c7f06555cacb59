"""Is a real folder taken in once, completely, and without a word about anybody, by the real catalogue and key map?"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opendrape.adapters.key_map import open_key_map
from opendrape.adapters.sql.catalogue import open_catalogue
from opendrape.domain.policy import Policy
from opendrape.domain.pseudonym import Scheme, is_picture
from opendrape.domain.states import AssetState
from opendrape.domain.work import Failure, RetryRule, WorkKind
from opendrape.errors import CatalogueUnavailable, ConfigurationError, Disposition
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.key_map import KeyMap
from opendrape.settings import IngestSettings, PseudonymSettings, Settings
from opendrape_ingest.result import Digesting, Listed, ScanResult, Settled, Status
from opendrape_ingest.scan import PreviewParts, scan

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2"
POLICY = Policy(name="faces", summary="for tests")
OTHER_POLICY = Policy(name="other", summary="for tests")


class StandingClock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class Site:
    """A source folder, and parts as the container holds them."""

    root: Path
    settings: Settings
    catalogue: Catalogue
    key_map: KeyMap
    clock: StandingClock = field(default_factory=StandingClock)

    def put(self, name: str, content: bytes = b"", *, head: bytes = VIDEO) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + content)
        return path

    def scan(
        self, *, policy: Policy = POLICY, dry_run: bool = False, on_event=lambda _: None, sleep=None
    ) -> ScanResult:
        return scan(self, self.root, policy, dry_run=dry_run, on_event=on_event, sleep=sleep or self.clock.sleep)

    def statuses(self, **options) -> dict[str, str]:
        return {
            str(file.path.relative_to(self.root)): f"{file.status} {file.reason}".strip()
            for file in self.scan(**options).files
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root, state = tmp_path / "source", tmp_path / "state"
    root.mkdir()
    state.mkdir()
    settings = Settings(
        state_dir=state,
        destination=tmp_path / "out",
        ingest=IngestSettings(stable_seconds=2, stable_wait_seconds=10),
        pseudonym=PseudonymSettings(record_number_pattern=r"(?P<record>\d{6})"),
    )
    clock = StandingClock()
    catalogue = open_catalogue(settings.catalogue_url, clock=clock, retry=RetryRule())
    key_map = open_key_map(
        settings.key_map_path,
        settings.map_key_path,
        scheme=Scheme.RANDOM,
        audit=catalogue.append_audit,
        clock=clock,
        notice=lambda _: None,
    )
    yield Site(root, settings, catalogue, key_map, clock)
    key_map.close()
    catalogue.close()


def test_every_file_is_taken_in_or_listed_with_a_reason(site):
    """I-02: by content, case-insensitive; I-03: strange names; I-05: zero length is a failure and the run goes on."""
    site.put("with space % # { } æøå ' \" \n.MP4", b"1")
    site.put("no ending", b"2")
    site.put("picture", head=b"\xff\xd8\xff\xe0")
    site.put("image.bmp", head=b"BM")
    site.put("notes.txt", b"words", head=b"")
    site.put("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n", head=b"")
    site.put("empty.mp4", head=b"")
    site.put(".hidden.mp4")
    (site.root / "link.mp4").symlink_to("no ending")
    assert site.statuses() == {
        "with space % # { } æøå ' \" \n.MP4": "new",
        "no ending": "new",
        "picture": "new",
        "image.bmp": "unsupported image_not_supported",
        "notes.txt": "unsupported not_a_video",
        "list.mp4": "failed playlist_refused",
        "empty.mp4": "failed empty_file",
        ".hidden.mp4": "ignored hidden",
        "link.mp4": "ignored symbolic_link",
    }
    assert sorted(is_picture(asset.asset_id) for asset in site.catalogue.assets()) == [False, False, True]
    assert site.catalogue.queue_depth()[WorkKind.PLAN] == 3


def test_known_content_is_skipped_without_waiting_or_reading(site):
    """I-04."""
    site.put("op.mp4", b"1")
    (first,) = site.scan().files
    passed, events = site.clock.passed, []
    (second,) = site.scan(on_event=events.append).files
    assert (first.status, second.status) == (Status.NEW, Status.KNOWN)
    assert first.asset_id == second.asset_id
    assert site.clock.passed == passed
    assert not any(isinstance(event, Digesting) for event in events)


def test_a_moved_file_is_the_same_asset(site):
    """I-04: content decides, not the name."""
    before = site.put("a/op.mp4", b"1")
    (first,) = site.scan().files
    before.rename(site.root / "moved.mp4")
    (second,) = site.scan().files
    assert (second.status, second.asset_id) == (Status.KNOWN, first.asset_id)


def test_changed_content_under_a_known_name_is_a_new_asset(site):
    """I-04."""
    site.put("op.mp4", b"1")
    (first,) = site.scan().files
    site.put("op.mp4", b"22")
    (second,) = site.scan().files
    assert second.status is Status.NEW
    assert second.asset_id != first.asset_id


def test_the_same_content_twice_is_one_object_and_a_reported_duplicate(site):
    """P-03, I-04: and it is reported again by the next scan."""
    for name in ("a.mp4", "b.mp4"):
        site.put(name, b"same")
    for expected in (Status.NEW, Status.KNOWN):
        first, second = site.scan().files
        assert (first.status, second.status) == (expected, Status.DUPLICATE)
        assert first.asset_id == second.asset_id
        assert second.duplicate_of == first.path
    assert len(site.catalogue.assets()) == 1


def test_two_contents_of_one_record_number_are_two_assets_of_one_subject(site):
    """P-03, P-01: and a date in both names is nobody."""
    site.put("123456 left.mp4", b"1")
    site.put("123456 right.mp4", b"2")
    site.put("310124 a.mp4", b"3")
    site.put("310124 b.mp4", b"4")
    files = site.scan().files
    subjects = [site.catalogue.asset(file.asset_id).subject_id for file in files]
    assert len({file.asset_id for file in files}) == 4
    assert subjects[0] == subjects[1] is not None
    assert subjects[2:] == [None, None]


def test_nothing_of_a_name_leaves_the_encrypted_map(site, caplog):
    """P-05: neither string anywhere in the database, the map's bytes or the logs."""
    words = ("Hansen", "Andersen", "123456")
    site.put("Dr Hansen - Patient Andersen 1981/123456 op.mp4", b"1")
    (file,) = site.scan().files
    for path in site.settings.state_dir.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(word.encode() in content for word in words), path.name
    assert not any(word in f"{caplog.text}{file.asset_id}{path}" for word in words)
    assert site.key_map.sources(file.asset_id)[0].record_number == "123456"


def test_a_growing_file_is_deferred_and_taken_by_the_next_scan(site):
    """I-03."""
    path = site.put("growing.mp4")
    site.put("still.mp4", b"1")

    def grow(seconds: float) -> None:
        site.clock.sleep(seconds)
        with path.open("ab") as file:
            file.write(b"more")

    assert site.statuses(sleep=grow) == {"growing.mp4": "deferred still_growing", "still.mp4": "new"}
    assert site.statuses() == {"growing.mp4": "new", "still.mp4": "known"}


def test_a_file_written_to_while_it_is_read_is_deferred(site):
    """I-03, I-04: a digest of something that never existed is not registered."""
    path = site.put("op.mp4", b"x" * (9 << 20))

    def write_into_it(event) -> None:
        if isinstance(event, Digesting):
            with path.open("r+b") as file:
                file.write(VIDEO)
            os.utime(path, ns=(0, event.done_bytes))

    assert site.statuses(on_event=write_into_it) == {"op.mp4": "deferred still_growing"}
    assert not site.catalogue.assets()


def test_an_unreadable_file_fails_and_the_run_goes_on(site, monkeypatch):
    """I-05."""
    site.put("a.mp4", b"1")
    site.put("b.mp4", b"2")

    def refuse(root, found, on_bytes):
        raise PermissionError if found.relative.name == "a.mp4" else OSError

    monkeypatch.setattr("opendrape_ingest.scan.digest", refuse)
    assert site.statuses() == {"a.mp4": "failed permission_denied", "b.mp4": "failed unreadable"}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.name.endswith(("-shm", "-wal"))
    }


def rows(site: Site) -> dict[str, list]:
    """Every row of every table of both databases."""
    content = {}
    for path in (site.settings.state_dir / "catalogue.sqlite3", site.settings.key_map_path):
        connection = sqlite3.connect(path)
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            content[f"{path.name}/{table}"] = connection.execute(f'select * from "{table}"').fetchall()
        connection.close()
    return content


def test_a_dry_run_lists_exactly_what_would_be_new_and_changes_nothing(site):
    """I-07."""
    site.put("known.mp4", b"1")
    site.scan()
    site.put("123456 new.mp4", b"2")
    site.put("twin.mp4", b"2")
    site.put("known again.mp4", b"1")
    before, rows_before = snapshot(site.root.parent), rows(site)
    foreseen = site.scan(dry_run=True)
    assert (snapshot(site.root.parent), rows(site)) == (before, rows_before)
    assert foreseen.dry_run
    real = site.scan()
    assert [(file.path, file.status, file.reason) for file in foreseen.files] == [
        (file.path, file.status, file.reason) for file in real.files
    ]
    assert [str(file.path.name) for file in real.only(Status.NEW)] == ["123456 new.mp4"]


def test_a_dry_run_needs_no_catalogue_and_no_map(site, tmp_path):
    """I-07: on a machine where nothing exists yet, nothing exists afterwards."""
    site.put("a.mp4", b"1")
    site.put("b.mp4", b"1")
    nowhere = Settings(state_dir=tmp_path / "no state", destination=tmp_path / "no out")
    parts = PreviewParts(nowhere, site.clock)
    result = scan(parts, site.root, POLICY, dry_run=True, sleep=site.clock.sleep)
    assert [file.status for file in result.files] == [Status.NEW, Status.DUPLICATE]
    assert result.asset_ids == ()
    assert not nowhere.state_dir.exists()
    assert not nowhere.destination.exists()


def fail_every_item(site: Site) -> None:
    while lease := site.catalogue.claim({WorkKind.PLAN}, owner="test", lease_seconds=30):
        site.catalogue.fail(lease, Failure("corrupt", Disposition.FAIL))


def test_another_policy_takes_a_finished_asset_in_again_and_a_dry_run_foresees_it(site):
    site.put("op.mp4", b"1")
    (first,) = site.scan().files
    assert site.statuses(policy=OTHER_POLICY, dry_run=True) == {"op.mp4": "known"}
    fail_every_item(site)
    assert site.catalogue.asset(first.asset_id).state is AssetState.FAILED
    assert site.statuses() == {"op.mp4": "known"}
    assert site.statuses(policy=OTHER_POLICY, dry_run=True) == {"op.mp4": "new"}
    assert site.statuses(policy=OTHER_POLICY) == {"op.mp4": "new"}
    assert site.catalogue.asset(first.asset_id).policy == OTHER_POLICY.reference


def test_a_crash_between_map_and_ledger_is_mended_by_the_next_scan(site, monkeypatch):
    """I-04: remembered in the map, not yet registered: not lost."""
    site.put("op.mp4", b"1")

    def crash(new, *, actor):
        raise CatalogueUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(site.catalogue, "register", crash)
        with pytest.raises(CatalogueUnavailable):
            site.scan()
    assert site.statuses(dry_run=True) == {"op.mp4": "new"}
    assert site.statuses() == {"op.mp4": "new"}


def test_outputs_are_never_taken_for_originals(site):
    site.put("op.mp4", b"1")
    shutil.copytree(site.root, site.settings.destination)
    with pytest.raises(ConfigurationError) as refused:
        scan(site, site.settings.destination, POLICY)
    assert refused.value.reason == "source_is_destination"


def test_a_destination_within_the_source_is_left_out(site):
    site.settings = site.settings.model_copy(update={"destination": site.root / "out"})
    site.put("op.mp4", b"1")
    site.put("out/masked.mp4", b"2")
    assert site.statuses() == {"op.mp4": "new", "out": "ignored own_folder"}


def test_events_tell_the_terminal_what_is_to_come_and_what_came_of_it(site):
    site.put("a.mp4", b"x" * (5 << 20))
    site.put("b.txt", b"words", head=b"")
    events = []
    result = site.scan(on_event=events.append)
    assert events[0] == Listed(files=2, size_bytes=sum(path.stat().st_size for path in site.root.iterdir()))
    assert [event.done_bytes for event in events if isinstance(event, Digesting)] == [
        4 << 20,
        result.files[0].size_bytes,
    ]
    assert {event.file for event in events if isinstance(event, Settled)} == set(result.files)
    assert result.counts[Status.NEW] == result.counts[Status.UNSUPPORTED] == 1
