"""O-04: what cannot be worked on is kept aside with a reason, not tried for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.domain.work import Lease, Outcome, WorkKind
from opendrape.errors import MediaRefused
from opendrape.ledger.worker import Progress
from opendrape.ports.doorbell import Fate, Verdict
from tests.integration.bus.crew import crew_on, eventually
from tests.servers.bus_fixture import Namespace, broker, forgives_the_sdk, namespace, tidy
from tests.servers.servicebus.message import DATA, read, section

__all__ = ["broker", "namespace", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "ring_malformed"),
        (b'{"version": 1, "item_id": "7", "kind": "mask"}', "ring_malformed"),
        (b'{"version": 1, "item_id": 7, "kind": "plan"}', "ring_malformed"),
        (b'{"version": 1, "item_id": 7, "kind": "mask", "file": "x"}', "ring_malformed"),
        (b"[" * 900, "ring_malformed"),
        (b"x" * 5000, "ring_malformed"),
        (b'{"version": 2, "item": 7}', "ring_version_unknown"),
    ],
)
def test_a_message_that_is_no_ring_is_kept_aside(namespace: Namespace, body: bytes, reason: str) -> None:
    queue = namespace.queue(WorkKind.MASK)
    namespace.broker.call(lambda broker: broker.store.put(queue, [read(section(DATA, body))]))
    with namespace.doorbell() as bell:
        assert bell.hold([WorkKind.MASK], 2.0) is None
        eventually(lambda: namespace.counts(WorkKind.MASK)["dead"] == 1)
    assert reasons(namespace) == [reason]


def test_an_item_that_fails_for_good_leaves_its_ring_with_the_reason(namespace: Namespace, tmp_path: Path) -> None:
    def refuses(lease: Lease, progress: Progress) -> Outcome:
        raise MediaRefused(reason="truncated")

    with namespace.doorbell() as bell, crew_on(tmp_path, bell, work=refuses) as crew:
        crew.register(1)
        with crew.at_work(workers=1):
            eventually(lambda: namespace.counts(WorkKind.PLAN)["dead"] == 1)
    assert reasons(namespace, WorkKind.PLAN) == ["truncated"]


def test_a_ring_for_an_item_that_nobody_knows_is_kept_aside(namespace: Namespace, tmp_path: Path) -> None:
    with namespace.doorbell() as bell, crew_on(tmp_path, bell) as crew:
        bell.ring(WorkKind.MASK, 4711)
        with crew.at_work(workers=1):
            eventually(lambda: namespace.counts(WorkKind.MASK)["dead"] == 1)
    assert reasons(namespace) == ["ring_item_unknown"]


def test_a_ring_given_back_is_heard_again(namespace: Namespace) -> None:
    with namespace.doorbell() as bell:
        bell.ring(WorkKind.MASK, 7)
        for _ in range(2):
            ring = bell.hold([WorkKind.MASK], 10.0)
            assert ring is not None
            assert ring.item_id == 7
            ring.settle(Verdict(Fate.BACK))


def reasons(namespace: Namespace, kind: WorkKind = WorkKind.MASK) -> list[str]:
    """Why each dead ring of a queue is dead."""
    queue = namespace.queue(kind) + "/$deadletterqueue"
    rows = namespace.broker.call(
        lambda broker: broker.store._db.execute("SELECT reason FROM messages WHERE queue = ?", (queue,)).fetchall()
    )
    return [row["reason"] for row in rows]
