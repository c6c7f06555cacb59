"""C-02: the time and speed in the table are those of the work, read from the audit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opendrape.cli.worked_time import worked_seconds
from opendrape.domain.audit import AuditEvent
from opendrape.domain.work import WorkKind
from tests.fakes.catalogue import memory_catalogue, new_asset, outcome
from tests.fakes.clock import FakeClock

START = FakeClock().now()


def event(seconds: float, action: str, item: int) -> AuditEvent:
    return AuditEvent("test", action, "ar-1", START + timedelta(seconds=seconds), {"item": item})


def test_waiting_does_not_count() -> None:
    """C-02: a video that waited behind others is not slow."""
    events = [
        event(0, "work.leased", 1),
        event(2, "work.done", 1),
        event(50, "work.leased", 2),
        event(53, "work.done", 2),
    ]
    assert worked_seconds(events) == 5.0


def test_chunks_side_by_side_count_once() -> None:
    """C-02."""
    events = [
        event(0, "work.leased", 1),
        event(1, "work.leased", 2),
        event(4, "work.done", 1),
        event(6, "work.done", 2),
    ]
    assert worked_seconds(events) == 6.0


def test_a_lost_attempt_does_not_count() -> None:
    """C-02: what a killed worker had begun, an hour ago, is not the video's time."""
    events = [event(0, "work.leased", 1), event(3600, "work.leased", 1), event(3610, "work.done", 1)]
    assert worked_seconds(events) == 10.0


def test_the_catalogues_own_events_are_understood() -> None:
    """The words of the audit are the ledger's: if they change, this fails and not silently the figure."""
    clock = FakeClock()
    catalogue = memory_catalogue(clock)
    catalogue.register(new_asset(), actor="test")
    while lease := catalogue.claim(set(WorkKind), owner="test", lease_seconds=30):
        clock.advance(1.5)
        catalogue.complete(lease, outcome(lease))
        clock.advance(100)
    assert worked_seconds(catalogue.audit_events(new_asset().asset_id)) == pytest.approx(5 * 1.5)


def test_an_earlier_policy_does_not_count() -> None:
    """V-01: masked again under another policy, the time is that of the second journey."""
    again = AuditEvent("test", "asset.registered", "ar-1", START, {"policy": "faces-00000000"})
    events = [event(0, "work.leased", 1), event(9, "work.done", 1)]
    assert worked_seconds([*events, again, event(10, "work.leased", 2), event(13, "work.done", 2)]) == 3.0
