"""O-03: whatever the bus loses, doubles, reorders or forgets, every item ends exactly once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.adapters.service_bus import BusClient, ServiceBusDoorbell
from opendrape.domain.work import Lease, Outcome, WorkKind
from opendrape.ledger.worker import Progress
from opendrape.ports.doorbell import Fate, Verdict
from opendrape.settings import BusSettings
from tests.fakes.catalogue import new_asset, outcome
from tests.integration.bus.crew import crew_on, eventually
from tests.servers.bus_fixture import QUICK, Namespace, broker, forgives_the_sdk, namespace, tidy
from tests.servers.servicebus import BrokerThread
from tests.servers.servicebus.process import BrokerProcess

__all__ = ["broker", "namespace", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]


def settled(namespace: Namespace) -> bool:
    """No ring is left anywhere."""
    return all(namespace.counts(kind)["active"] == 0 for kind in WorkKind)


def test_videos_are_carried_to_the_end_and_no_ring_is_left(namespace: Namespace, tmp_path: Path) -> None:
    with namespace.doorbell() as bell, crew_on(tmp_path, bell) as crew:
        crew.register(2)
        with crew.at_work(2):
            eventually(lambda: crew.is_all_delivered() and settled(namespace))
        crew.assert_each_item_ended_once(2)
    assert all(namespace.counts(kind)["dead"] == 0 for kind in WorkKind)


def test_doubled_and_reordered_rings_do_no_harm(namespace: Namespace, tmp_path: Path) -> None:
    namespace.broker.call(lambda broker: (broker.reorder(7), broker.duplicate_next(10**6)))
    try:
        with namespace.doorbell() as bell, crew_on(tmp_path, bell) as crew:
            crew.register(2)
            with crew.at_work(2):
                eventually(lambda: crew.is_all_delivered() and settled(namespace))
            crew.assert_each_item_ended_once(2)
    finally:
        namespace.broker.call(lambda broker: (broker.reorder(None), broker.duplicate_next(0)))


def test_a_lock_lost_at_work_wakes_another_worker_who_leaves_the_item_alone(
    namespace: Namespace, tmp_path: Path
) -> None:
    lost = threading.Event()

    def loses_its_lock(lease: Lease, progress: Progress) -> Outcome:
        if lease.kind is WorkKind.MASK and not lost.is_set():
            eventually(lambda: namespace.counts(WorkKind.MASK)["locked"] > 0)
            namespace.broker.call(lambda broker: broker.lose_locks(namespace.queue(WorkKind.MASK)))
            lost.set()
            eventually(lambda: namespace.counts(WorkKind.MASK)["active"] == 0)  # the other worker settled it
        return outcome(lease)

    with namespace.doorbell() as bell, crew_on(tmp_path, bell, work=loses_its_lock) as crew:
        crew.register(1)
        with crew.at_work(2):
            eventually(lambda: crew.is_all_delivered() and settled(namespace))
        crew.assert_each_item_ended_once(1)
    assert lost.is_set()


def test_a_silent_bus_delays_and_stops_nothing(namespace: Namespace, tmp_path: Path) -> None:
    """A broker that accepts bytes and answers nothing: workers look for themselves, rings stay in the outbox."""
    namespace.broker.call(lambda broker: broker.go_silent())
    try:
        with crew_on(tmp_path, bell := _bell(namespace)) as crew:
            crew.register(2)
            with crew.at_work(2):
                eventually(crew.is_all_delivered)
                assert crew.catalogue.take_rings() != []
                namespace.broker.call(lambda broker: broker.go_silent(False))
                eventually(lambda: not crew.catalogue.take_rings() and settled(namespace), 90.0)
            crew.assert_each_item_ended_once(2)
        assert "bus_silent" in crew.events
    finally:
        namespace.broker.call(lambda broker: broker.go_silent(False))
        bell.close()


def _bell(namespace: Namespace) -> ServiceBusDoorbell:
    return ServiceBusDoorbell(BusClient(namespace.settings(), options=QUICK))


@pytest.fixture
def broker_process(tmp_path: Path) -> Iterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path, *(f"opendrape-{kind.value}" for kind in WorkKind), lock_seconds=2.0)
    broker.start()
    yield broker
    broker.stop()


def test_a_broker_killed_and_started_again_loses_nothing(broker_process: BrokerProcess, tmp_path: Path) -> None:
    """kill -9 in the middle of the work, then the same file and port."""
    half = threading.Event()

    def notes_the_middle(lease: Lease, progress: Progress) -> Outcome:
        if lease.kind is WorkKind.ASSEMBLE:
            half.set()
        return outcome(lease)

    settings = BusSettings(
        connection_string=broker_process.connection_string, lock_seconds=2.0, try_timeout_seconds=5.0
    )
    bell = ServiceBusDoorbell(BusClient(settings, options=QUICK))
    with crew_on(tmp_path, bell, work=notes_the_middle) as crew:
        crew.register(4)
        with crew.at_work(3):
            assert half.wait(60.0)
            broker_process.kill()
            crew.catalogue.register(new_asset(5), actor="ingest")
            broker_process.start()
            eventually(lambda: crew.is_all_delivered() and not crew.catalogue.take_rings())
            queues = [f"opendrape-{kind.value}" for kind in WorkKind]
            eventually(lambda: all(broker_process.fault("counts", queue=queue)["active"] == 0 for queue in queues))
        crew.assert_each_item_ended_once(5)
    bell.close()


@pytest.mark.parametrize("fault", ["detach_links", "drop_connections", None])
def test_a_ring_is_held_longer_than_its_lock(broker: BrokerThread, fault: str | None) -> None:
    """A lock of 6 s is kept for 8 s, over a detached link and a cut connection too, and settled once."""
    namespace = Namespace(broker).declare(lock_seconds=6.0, max_deliveries=1)
    with namespace.doorbell(lock_seconds=6.0) as bell:
        bell.ring(WorkKind.MASK, 7)
        ring = bell.hold([WorkKind.MASK], 20.0)
        assert ring is not None
        for half_second in range(16):
            threading.Event().wait(0.5)
            assert namespace.counts(WorkKind.MASK) == _one_held
            if half_second == 3:
                _go_wrong(namespace, fault)
        ring.settle(Verdict(Fate.OVER))
        eventually(lambda: namespace.counts(WorkKind.MASK)["active"] == 0)
    assert namespace.counts(WorkKind.MASK)["dead"] == 0, "it was delivered once: twice would have buried it"


_one_held = {"active": 1, "locked": 1, "dead": 0, "deferred": 0, "scheduled": 0}


def _go_wrong(namespace: Namespace, fault: str | None) -> None:
    if fault == "detach_links":
        namespace.broker.call(lambda broker: broker.detach_links(namespace.queue(WorkKind.MASK)))
    if fault == "drop_connections":
        namespace.broker.call(lambda broker: broker.drop_connections())


def test_a_refused_renewal_ends_the_holding_and_not_the_work(broker: BrokerThread, tmp_path: Path) -> None:
    namespace = Namespace(broker).declare(lock_seconds=1.5)
    broker.call(lambda broker: broker.refuse_renew())
    try:
        with namespace.doorbell(lock_seconds=1.5) as bell:
            bell.ring(WorkKind.MASK, 7)
            ring = bell.hold([WorkKind.MASK], 20.0)
            assert ring is not None
            eventually(lambda: namespace.counts(WorkKind.MASK)["locked"] == 0)
            ring.settle(Verdict(Fate.OVER))
            again = bell.hold([WorkKind.MASK], 20.0)
            assert again is not None
            again.settle(Verdict(Fate.OVER))
            eventually(lambda: namespace.counts(WorkKind.MASK)["active"] == 0)
    finally:
        broker.call(lambda broker: broker.refuse_renew(False))
