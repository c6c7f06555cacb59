"""H-09: the chained audit: every kind of tampering with the database or the anchor is found."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert

from opendrape.adapters.audit_anchors import AnchorFile
from opendrape.adapters.audit_keys import add_audit_key, open_audit_keys
from opendrape.adapters.sql.audit_trail import SqlAuditTrail
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.tables import audit_events
from opendrape.audit.chain import seal_events
from opendrape.audit.office import AuditOffice
from opendrape.audit.sealer import AuditSealer
from opendrape.audit.verify import AuditReport
from opendrape.domain.audit import AuditEvent
from opendrape.domain.audit_keys import AuditKeys, new_audit_keys
from opendrape.errors import CatalogueUnavailable, ConfigurationError, StorageUnavailable
from opendrape.metrics import Metrics
from tests.fakes.catalogue import RETRY
from tests.fakes.clock import FakeClock

_WITHOUT_FOREIGN_KEYS = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
    "postgresql": ("SET session_replication_role = replica", "SET session_replication_role = DEFAULT"),
}


@dataclass
class Audit:
    """A real catalogue on a file with its sealer, and a way to tamper with it."""

    catalogue: SqlCatalogue
    clock: FakeClock
    office: AuditOffice
    metrics: Metrics
    anchor_path: Path

    def say(self, *actions: str, facts: dict[str, str | int] | None = None) -> None:
        for action in actions:
            self.catalogue.append_audit(AuditEvent("test", action, "ar-1", self.clock.now(), facts or {"n": 1}))
            self.clock.advance(1)

    def sealer(self) -> AuditSealer:
        return self.office.sealer(self.metrics)

    def seal(self) -> int:
        return self.sealer().tick(anchor_now=True)

    def tamper(self, *statements: str) -> None:
        """As somebody would who owns the database: without foreign keys, past the catalogue."""
        engine = self.catalogue.database.engine
        off, on = _WITHOUT_FOREIGN_KEYS[engine.dialect.name]
        with closing(engine.raw_connection()) as raw:
            for statement in (off, *statements, on):
                raw.cursor().execute(statement)
            raw.commit()

    def faults(self) -> set[tuple[str, int | None]]:
        return {(one.fault.value, one.position) for one in self.report().findings}

    def report(self) -> AuditReport:
        return self.office.verify()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite unless a test asks for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/c.sqlite3"
    return str(request.getfixturevalue("catalogue_url"))


on_both = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
"""The chain must not depend on how a database keeps times, JSON or numbers."""


@pytest.fixture
def audit(tmp_path: Path, url: str) -> Iterator[Audit]:
    clock = FakeClock()
    with closing(open_catalogue(url, clock=clock, retry=RETRY)) as catalogue:
        path = tmp_path / "audit.anchors"
        trail = SqlAuditTrail(catalogue.database, clock=clock)
        office = AuditOffice(trail, new_audit_keys, AnchorFile(path), clock)
        yield Audit(catalogue, clock, office, Metrics(), path)


@pytest.fixture
def sealed(audit: Audit) -> Audit:
    """Six events, sealed in two goes, anchored after each."""
    audit.say("a.one", "a.two", "a.three")
    assert audit.seal() == 3
    audit.say("a.four", "a.five", "a.six")
    assert audit.seal() == 3
    assert audit.report().is_whole
    return audit


# -- whole ------------------------------------------------------------------------------------------------------------
def test_an_empty_audit_is_whole(audit: Audit) -> None:
    """H-09: nothing to seal, nothing to find, no anchor written."""
    assert audit.seal() == 0
    assert audit.report().is_whole
    assert not audit.anchor_path.exists()


@on_both
def test_events_are_sealed_once_in_order_and_anchored(sealed: Audit) -> None:
    """H-09: positions count without a gap; a second go changes nothing."""
    report = sealed.report()
    assert (report.sealed, report.unsealed, report.anchors) == (6, 0, 2)
    assert [seal.position for seal, _ in sealed.office.trail.sealed()] == [1, 2, 3, 4, 5, 6]
    assert sealed.seal() == 0
    assert sealed.report() == report
    assert sealed.metrics.registry.get_sample_value("opendrape_audit_sealed_position") == 6


def test_new_events_wait_for_their_seal_without_alarm(sealed: Audit) -> None:
    """H-09: whole, with one event not yet sealed."""
    sealed.say("a.seven")
    report = sealed.report()
    assert report.is_whole
    assert report.unsealed == 1


def test_changes_of_the_ledger_are_sealed_too(sealed: Audit) -> None:
    """H-09: every state change is in the chain, not only what is appended by hand."""
    from tests.fakes.catalogue import new_asset

    sealed.catalogue.register(new_asset(), actor="test")
    assert sealed.seal() >= 2
    assert sealed.report().is_whole


@on_both
def test_many_events_are_sealed_and_checked_in_pages(audit: Audit) -> None:
    """H-09: more than a batch and more than a page."""
    event = {"at": audit.clock.now(), "actor": "test", "action": "a.b", "object_id": "ar-1", "facts": {}}
    with audit.catalogue.database.write() as connection:
        connection.execute(insert(audit_events), [event] * 1700)
    assert audit.seal() == 1700
    report = audit.report()
    assert (report.is_whole, report.sealed) == (True, 1700)
    audit.tamper("UPDATE audit_events SET actor = 'other' WHERE event_id = 1500")
    assert audit.faults() == {("changed", 1500)}


@on_both
def test_facts_of_any_letters_are_sealed(audit: Audit) -> None:
    """H-09: canonical JSON holds what JSON holds."""
    audit.say("a.b", facts={"reason": 'ümläut "quoted" \\ \u2028 😀', "size_bytes": 2**53 - 1})
    audit.seal()
    assert audit.report().is_whole


# -- tampering --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        "actor = 'somebody'",
        "action = 'a.other'",
        "object_id = 'ar-2'",
        "at = '2030-01-01 00:00:01.500000'",
        "facts = '{\"n\": 2}'",
        'facts = \'{"n": 1, "m": 1}\'',
        'facts = \'{"n": "1"}\'',
    ],
)
@on_both
def test_an_edited_event_is_found(sealed: Audit, change: str) -> None:
    """H-09: any column of any event, once per event."""
    sealed.tamper(f"UPDATE audit_events SET {change} WHERE event_id = 2")
    assert sealed.faults() == {("changed", 2)}


@pytest.mark.parametrize(
    "change", ["mac = replace(mac, substr(mac, 1, 1), 'x')", "sealed_at = '2031-01-01 00:00:00'", "event_id = 99"]
)
def test_an_edited_seal_is_found(sealed: Audit, change: str) -> None:
    """H-09: a seal covers its own time and its event's number."""
    sealed.tamper(f"UPDATE audit_seals SET {change} WHERE position = 2")
    assert ("missing" if "event_id" in change else "changed", 2) in sealed.faults()


@on_both
def test_a_deleted_event_is_found(sealed: Audit) -> None:
    """H-09: its seal is still there."""
    sealed.tamper("DELETE FROM audit_events WHERE event_id = 3")
    assert sealed.faults() == {("missing", 3)}


@pytest.mark.parametrize("position", [1, 3, 5])
def test_an_event_deleted_with_its_seal_is_found(sealed: Audit, position: int) -> None:
    """H-09: a gap; the first one too."""
    sealed.tamper(
        f"DELETE FROM audit_seals WHERE position = {position}", f"DELETE FROM audit_events WHERE event_id = {position}"
    )
    assert ("missing", position) in sealed.faults()


def test_a_gap_that_was_closed_is_found(sealed: Audit) -> None:
    """H-09: positions moved up no longer fit their proofs."""
    sealed.tamper(
        "DELETE FROM audit_seals WHERE position = 3",
        "DELETE FROM audit_events WHERE event_id = 3",
        "UPDATE audit_seals SET position = 3 WHERE position = 4",
        "UPDATE audit_seals SET position = 4 WHERE position = 5",
        "UPDATE audit_seals SET position = 5 WHERE position = 6",
    )
    assert {("changed", 3), ("changed", 4), ("changed", 5), ("truncated", 6)} <= sealed.faults()


@on_both
def test_two_events_that_changed_places_are_found(sealed: Audit) -> None:
    """H-09: order is part of the proof."""
    sealed.tamper(
        "UPDATE audit_seals SET event_id = -1 WHERE position = 2",
        "UPDATE audit_seals SET event_id = 2 WHERE position = 4",
        "UPDATE audit_seals SET event_id = 4 WHERE position = 2",
    )
    assert sealed.faults() == {("changed", 2), ("changed", 4)}


def test_two_seals_that_changed_places_are_found(sealed: Audit) -> None:
    """H-09: whole rows moved."""
    sealed.tamper(
        "UPDATE audit_seals SET position = 99 WHERE position = 2",
        "UPDATE audit_seals SET position = 2 WHERE position = 3",
        "UPDATE audit_seals SET position = 3 WHERE position = 99",
    )
    assert {("changed", 2), ("changed", 3)} <= sealed.faults()


@on_both
def test_an_event_put_in_with_a_made_up_seal_is_found(sealed: Audit) -> None:
    """H-09: without the key no proof can be made."""
    sealed.tamper(
        "INSERT INTO audit_events VALUES (7, '2030-01-01 00:00:06.000000', 'test', 'a.b', 'ar-1', '{}')",
        "INSERT INTO audit_seals SELECT 7, 7, sealed_at, key_id, mac FROM audit_seals WHERE position = 6",
    )
    assert sealed.faults() == {("changed", 7)}


@pytest.mark.parametrize("is_sealed_later", [False, True])
def test_an_event_put_in_for_an_earlier_time_is_found(sealed: Audit, is_sealed_later: bool) -> None:
    """H-09: it was not there when what came after it was sealed; that the sealer then seals it does not help."""
    sealed.clock.advance(3600)
    sealed.say("a.seven")
    sealed.seal()
    sealed.tamper(
        "INSERT INTO audit_events VALUES (99, '2030-01-01 00:00:02.500000', 'test', 'asset.cancelled', 'ar-1', '{}')"
    )
    if is_sealed_later:
        sealed.seal()
    assert sealed.faults() == {("backdated", 8 if is_sealed_later else None)}


def test_a_sealer_that_was_away_for_long_raises_no_alarm(sealed: Audit) -> None:
    """H-09: events older than their seal by days are no insertion when the seal before is older still."""
    sealed.say("a.seven")
    sealed.clock.advance(3 * 86400)
    sealed.say("a.eight")
    sealed.seal()
    assert sealed.report().is_whole


@on_both
def test_a_tail_that_was_cut_off_is_found(sealed: Audit) -> None:
    """H-09: the shorter chain is whole in itself; the anchor outside the database tells."""
    sealed.tamper("DELETE FROM audit_seals WHERE position > 4", "DELETE FROM audit_events WHERE event_id > 4")
    assert sealed.faults() == {("truncated", 6)}


def test_an_audit_that_was_emptied_is_found(sealed: Audit) -> None:
    """H-09: nothing at all is less than what was anchored."""
    sealed.tamper("DELETE FROM audit_seals", "DELETE FROM audit_events")
    assert sealed.faults() == {("truncated", 3), ("truncated", 6)}


def test_a_tail_that_was_replaced_with_the_right_key_is_found(sealed: Audit) -> None:
    """H-09: even who holds the key cannot make the anchored seals again without the anchors."""
    sealed.tamper("DELETE FROM audit_seals WHERE position > 4", "DELETE FROM audit_events WHERE event_id > 4")
    sealed.say("a.other", "a.other")
    keys = sealed.office.keys
    sealed.office.trail.seal_next(
        lambda head, events, now: seal_events(events, head=head, now=now, key_id=keys.active_id, key=keys.active),
        limit=10,
    )
    assert sealed.faults() == {("replaced", 6)}


def test_a_sealer_does_not_build_on_a_chain_that_was_cut(sealed: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    """H-09: it says so, shows it as a figure, and seals nothing until a person has looked."""
    sealed.tamper("DELETE FROM audit_seals WHERE position > 4")
    sealed.say("a.seven")
    assert sealed.seal() == 0
    assert sealed.metrics.registry.get_sample_value("opendrape_audit_broken") == 1
    assert "audit_broken" in capsys.readouterr().err
    assert sealed.report().head is not None
    assert sealed.report().head.position == 4  # type: ignore[union-attr]


# -- anchors and keys -------------------------------------------------------------------------------------------------
def test_a_missing_anchor_file_is_found(sealed: Audit) -> None:
    """H-09: who removes it to hide a cut is seen."""
    sealed.anchor_path.unlink()
    assert sealed.faults() == {("anchor_missing", None)}


def test_a_forged_anchor_is_found(sealed: Audit) -> None:
    """H-09: an anchor carries its own proof."""
    text = sealed.anchor_path.read_text()
    sealed.anchor_path.write_text(text.replace('"position": 6', '"position": 5'))
    assert sealed.faults() == {("anchor_forged", 5)}


def test_an_anchor_line_that_a_crash_cut_off_is_passed_over(sealed: Audit) -> None:
    """H-09: the next line begins on a line of its own."""
    with sealed.anchor_path.open("ab") as file:
        file.write(b'\n{"position": 7, "mac": "ab')
    sealed.say("a.seven")
    sealed.seal()
    report = sealed.report()
    assert report.is_whole
    assert report.anchors == 3


def test_the_anchor_file_is_private_and_only_grows(sealed: Audit) -> None:
    """H-09: 0600; each go appends."""
    before = sealed.anchor_path.read_bytes()
    sealed.say("a.seven")
    sealed.seal()
    assert sealed.anchor_path.read_bytes().startswith(before)
    assert sealed.anchor_path.stat().st_mode & 0o777 == 0o600


def test_anchors_are_written_now_and_then_not_each_time(audit: Audit) -> None:
    """H-09: once a minute is enough for a file that is kept for years."""
    sealer = audit.sealer()
    for _ in range(10):
        audit.say("a.b")  # a second each
        sealer.tick()
    assert audit.report().anchors == 1
    audit.clock.advance(60)
    audit.say("a.b")
    sealer.tick()
    sealer.finish()
    assert audit.report().anchors == 2


def test_an_anchor_that_cannot_be_written_is_an_error(audit: Audit, tmp_path: Path) -> None:
    """H-09: not a silent gap."""
    audit.office = AuditOffice(audit.office.trail, new_audit_keys, AnchorFile(tmp_path / "no" / "folder"), audit.clock)
    audit.say("a.b")
    with pytest.raises(StorageUnavailable):
        audit.seal()


def test_the_log_is_a_second_anchor(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    """H-09: position and head go to wherever the logs go."""
    audit.say("a.b")
    audit.seal()
    head = audit.office.trail.head()
    assert head is not None
    written = capsys.readouterr().err
    assert re.search(r'audit_position(": |=)1\b', written), "in whichever style this process logs"
    assert head.mac in written


def test_another_key_proves_nothing(sealed: Audit) -> None:
    """H-09: whoever makes the chain anew with an own key is found; so is who lacks the key."""
    sealed.office = AuditOffice(sealed.office.trail, new_audit_keys, sealed.office.anchors, sealed.clock)
    assert {fault for fault, _ in sealed.faults()} == {"key_unknown"}


def test_old_seals_are_checked_after_a_new_key(sealed: Audit, tmp_path: Path) -> None:
    """H-09: a rotation keeps the earlier keys."""
    keys = sealed.office.keys.with_new_active()
    assert keys.active_id != sealed.office.keys.active_id
    sealed.office = AuditOffice(sealed.office.trail, lambda: keys, sealed.office.anchors, sealed.clock)
    sealed.say("a.seven")
    sealed.seal()
    assert sealed.report().is_whole
    assert {seal.key_id for seal, _ in sealed.office.trail.sealed()} == set(keys.secrets)
    without_old = AuditKeys({keys.active_id: keys.active})
    sealed.office = AuditOffice(sealed.office.trail, lambda: without_old, sealed.office.anchors, sealed.clock)
    assert ("key_unknown", 1) in sealed.faults()


def test_the_key_file_is_made_once_private_and_grows(tmp_path: Path) -> None:
    """H-09: 0600, said once; a rotation adds to it."""
    path, said = tmp_path / "keys" / "audit.json", []
    first = open_audit_keys(path, notice=said.append)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_audit_keys(path, notice=said.append) == first
    assert len(said) == 1
    added = add_audit_key(path)
    assert open_audit_keys(path) == added
    assert next(iter(added.secrets)) == first.active_id
    assert first.active.hex() not in repr(first)


@pytest.mark.parametrize("content", ["", "{}", '{"format": "opendrape-audit-key/1", "keys": ["YQ=="]}'])
def test_a_key_file_that_is_none_is_a_configuration_error(tmp_path: Path, content: str) -> None:
    """H-09: nothing is sealed with half a key."""
    path = tmp_path / "audit.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        open_audit_keys(path)
    assert caught.value.reason == "key_file_unreadable"


# -- several sealers --------------------------------------------------------------------------------------------------
@on_both
def test_two_sealers_at_once_make_one_chain(audit: Audit) -> None:
    """H-09: while events keep coming, two sealers never seal one twice or leave a gap."""
    start = threading.Barrier(3)

    def speak() -> None:
        start.wait(10)
        for number in range(60):
            audit.catalogue.append_audit(AuditEvent("test", "a.b", "ar-1", audit.clock.now(), {"n": number}))

    def seal() -> int:
        sealer = audit.sealer()
        start.wait(10)
        return sum(sealer.tick() for _ in range(30))

    with ThreadPoolExecutor(3) as pool:
        speaking, one, other = pool.submit(speak), pool.submit(seal), pool.submit(seal)
        speaking.result(60)
        counted = one.result(60) + other.result(60)
    counted += audit.seal()
    report = audit.report()
    assert report.is_whole, report.findings
    assert counted == report.sealed == 60


@on_both
def test_the_slower_of_two_sealers_changes_nothing(audit: Audit) -> None:
    """H-09: both saw the same head; the key of the table decides."""
    audit.say("a.one", "a.two")
    keys = audit.office.keys

    def sign(head: object, events: object, now: object) -> object:
        made = seal_events(events, head=head, now=now, key_id=keys.active_id, key=keys.active)  # type: ignore[arg-type]
        return [*made, made[0]]  # the same place twice, as after a race

    assert audit.office.trail.seal_next(sign, limit=10) == ()  # type: ignore[arg-type]
    assert audit.office.trail.head() is None
    assert audit.seal() == 2


def test_a_catalogue_that_is_gone_is_waited_for(
    audit: Audit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """H-09: the sealer goes on when it comes back."""
    audit.say("a.one")
    stop, asked = threading.Event(), 0
    real: Callable[..., object] = SqlAuditTrail.seal_next

    def away_at_first(self: object, *arguments: object, **more: object) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise CatalogueUnavailable
        stop.set()
        return real(self, *arguments, **more)

    monkeypatch.setattr(SqlAuditTrail, "seal_next", away_at_first)
    audit.office.sealer(audit.metrics, seal_seconds=0.01).run(stop)
    assert audit.report().sealed == 1
    assert "audit_not_sealed" in capsys.readouterr().err
