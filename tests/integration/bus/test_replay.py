"""O-04: dead letters are listed with reason and class, and replayed by the ledger's rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.service_bus import BusClient, ServiceBusDeadLetters
from opendrape.bootstrap import bootstrap
from opendrape.cli.main import run_command
from opendrape.domain.states import AssetState
from opendrape.domain.work import Lease, Outcome, WorkKind
from opendrape.errors import MediaRefused
from opendrape.ledger.redelivery import Redelivery
from opendrape.ledger.replay import Replay, Replayed
from opendrape.ledger.worker import Progress
from opendrape.ports.dead_letters import DeadLetters, LetterClass, NoDeadLetters
from opendrape.settings import Settings
from tests.fakes.catalogue import new_asset, outcome
from tests.integration.bus.crew import Crew, crew_on, eventually
from tests.servers.bus_fixture import QUICK, Namespace, broker, forgives_the_sdk, namespace, tidy
from tests.servers.servicebus.message import DATA, read, section

__all__ = ["broker", "namespace", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]


@pytest.fixture
def letters(namespace: Namespace) -> Iterator[DeadLetters]:
    dead_letters = ServiceBusDeadLetters(BusClient(namespace.settings(), options=QUICK))
    yield dead_letters
    dead_letters.close()


def _replay(crew: Crew, letters: DeadLetters, folder: Path) -> Replay:
    (folder / "work").mkdir()
    (folder / "out").mkdir()
    stores = LocalBlobStore(folder / "work"), LocalBlobStore(folder / "out")
    return Replay(crew.catalogue, Redelivery(crew.catalogue, *stores), crew.doorbell, letters)


def test_a_failed_item_is_listed_and_its_video_starts_again(
    namespace: Namespace, letters: DeadLetters, tmp_path: Path
) -> None:
    is_mended: list[bool] = []

    def refuses_until_mended(lease: Lease, progress: Progress) -> Outcome:
        if not is_mended:
            raise MediaRefused(reason="truncated")
        return outcome(lease)

    with namespace.doorbell() as bell, crew_on(tmp_path, bell, work=refuses_until_mended) as crew:
        crew.register(1)
        with crew.at_work(workers=1):
            eventually(lambda: namespace.counts(WorkKind.PLAN)["dead"] == 1)
            item = crew.catalogue.work_items(new_asset().asset_id)[-1]
            [letter] = letters.letters()
            assert (letter.queue, letter.item_id, letter.reason) == (WorkKind.PLAN, item.item_id, "truncated")
            assert (letter.sort, letter.rung_at is not None) == (LetterClass.ITEM_FAILED, True)
            is_mended.append(True)
            replay = _replay(crew, letters, tmp_path)
            assert replay.replay(actor="person", wanted=lambda letter: letter.item_id == 0) == []
            assert [result for _, result in replay.replay(actor="person")] == [Replayed.RETRIED]
            eventually(crew.is_all_delivered)
        assert letters.letters() == []
        assert "person" in {event.actor for event in crew.catalogue.audit_events()}


def test_what_cannot_be_replayed_stays_and_what_went_on_is_removed(
    namespace: Namespace, letters: DeadLetters, tmp_path: Path
) -> None:
    queue = namespace.queue(WorkKind.PLAN)

    def bury(body: bytes, reason: str) -> None:
        store = namespace.broker.call(lambda broker: broker.store)

        def buried() -> None:
            store.put(queue, [read(section(DATA, body))])
            store.bury(store.take(queue, lock=True).token, reason, "")

        namespace.broker.call(lambda _broker: buried())

    with namespace.doorbell() as bell, crew_on(tmp_path, bell) as crew:
        crew.register(2)
        waiting, gone = (crew.catalogue.work_items(new_asset(number).asset_id)[-1].item_id for number in (1, 2))
        crew.catalogue.cancel(new_asset(2).asset_id, actor="person")
        bury(b"nonsense", "ring_malformed")
        bury(b'{"version": 1, "item_id": 4711, "kind": "plan"}', "ring_item_unknown")
        bury(b'{"version": 1, "item_id": %d, "kind": "plan"}' % waiting, "MaxDeliveryCountExceeded")
        bury(b'{"version": 1, "item_id": %d, "kind": "plan"}' % gone, "of another broker")
        assert [(one.sort.value, one.reason, one.item_id) for one in letters.letters()] == [
            ("unreadable", "ring_malformed", None),
            ("unknown_item", "ring_item_unknown", 4711),
            ("worn_out", "ring_delivered_too_often", waiting),
            ("item_failed", "error", gone),
        ]
        done = _replay(crew, letters, tmp_path).replay(actor="person")
        assert [result for _, result in done] == [Replayed.KEPT, Replayed.KEPT, Replayed.RUNG, Replayed.OBSOLETE]
        assert [one.reason for one in letters.letters()] == ["ring_malformed", "ring_item_unknown"]
        assert bell.wait([WorkKind.PLAN], 20.0)


def test_the_command_line_lists_and_replays(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(state_dir=tmp_path / "state", destination=tmp_path / "out", bus=namespace.settings())
    container = bootstrap(settings)
    with container.resources:
        container.doorbell.check()
        asset = container.catalogue.register(new_asset(), actor="ingest").asset
        lease = container.catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0)
        assert lease is not None
        from opendrape.domain.work import Failure
        from opendrape.errors import Disposition
        from opendrape.ledger.ring_verdict import verdict_on

        container.catalogue.fail(lease, Failure("truncated", Disposition.FAIL))
        container.doorbell.ring(WorkKind.PLAN, lease.item_id)
        ring = container.doorbell.hold([WorkKind.PLAN], 20.0)
        assert ring is not None
        ring.settle(verdict_on(container.catalogue, ring.item_id, worked=False))
        eventually(lambda: namespace.counts(WorkKind.PLAN)["dead"] == 1)
    monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(settings.destination))
    monkeypatch.setenv("OPENDRAPE_BUS__CONNECTION_STRING", namespace.broker.connection_string)
    monkeypatch.setenv("OPENDRAPE_BUS__QUEUE_PREFIX", namespace.prefix)
    assert run_command(["bus", "dead-letters", "list", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["dead_letters"]
    assert (listed["queue"], listed["item_id"], listed["reason"]) == ("plan", lease.item_id, "truncated")
    assert run_command(["bus", "dead-letters", "replay"]) == 2, "neither --item nor --all"
    assert run_command(["bus", "dead-letters", "replay", "--item", str(lease.item_id)]) == 0
    assert "1 retried" in capsys.readouterr().out
    container = bootstrap(settings)
    with container.resources:
        assert container.catalogue.asset(asset.asset_id).state is AssetState.REGISTERED
        assert container.dead_letters.letters() == []


def test_without_a_bus_there_are_no_dead_letters() -> None:
    assert NoDeadLetters().letters() == ()
    assert NoDeadLetters().work_off(lambda _letter: True) == 0
    assert run_command(["bus", "dead-letters", "list"]) == 3
