"""H-07: health really asks every dependency, with a deadline, and cannot be used to flood them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opendrape.errors import CatalogueUnavailable, StorageUnavailable
from opendrape.serving.health import HealthMonitor
from tests.fakes.gateway import Breakable, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_all_well_is_ready(clock: ManualClock) -> None:
    """H-07: ready means that every dependency answered."""
    report = HealthMonitor({"a": lambda: None, "b": lambda: None}, monotonic=clock.monotonic).report()
    assert report.ready
    assert [(one.name, one.well, one.reason) for one in report.dependencies] == [("a", True, None), ("b", True, None)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CatalogueUnavailable(), "catalogue_unavailable"),
        (StorageUnavailable(reason="a_reason_nobody_knows"), "other"),
        (RuntimeError("Patientovich"), "unexpected"),
    ],
)
def test_one_broken_dependency_is_named_with_a_bounded_reason(
    clock: ManualClock, error: Exception, reason: str
) -> None:
    """H-07: not ready, and the others are still told."""
    broken = Breakable()
    broken.breaks_with(error)
    report = HealthMonitor({"a": broken.check, "b": lambda: None}, monotonic=clock.monotonic).report()
    assert not report.ready
    assert [(one.name, one.well, one.reason) for one in report.dependencies] == [
        ("a", False, reason),
        ("b", True, None),
    ]


def test_a_second_look_within_a_second_asks_nobody(clock: ManualClock) -> None:
    """H-07: a flood of health requests is one question a second."""
    dependency = Breakable()
    monitor = HealthMonitor({"a": dependency.check}, monotonic=clock.monotonic)
    for _ in range(100):
        monitor.report()
    assert dependency.asked == 1
    clock.seconds += 1.0
    monitor.report()
    assert dependency.asked == 2


def test_recovery_is_seen_after_a_second(clock: ManualClock) -> None:
    """H-07: unwell is not for ever."""
    dependency = Breakable()
    dependency.breaks_with(StorageUnavailable())
    monitor = HealthMonitor({"a": dependency.check}, monotonic=clock.monotonic)
    assert not monitor.report().ready
    dependency.breakage = lambda: None
    assert not monitor.report().ready
    clock.seconds += 1.0
    assert monitor.report().ready


def test_a_check_that_hangs_is_told_as_timed_out_and_never_started_twice(
    clock: ManualClock, released: threading.Event
) -> None:
    """H-07: a hanging disk neither hangs health nor eats a thread a second."""
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        released.wait()

    monitor = HealthMonitor({"a": hang, "b": lambda: None}, monotonic=clock.monotonic, deadline_seconds=0.05)
    for _ in range(3):
        report = monitor.report()
        clock.seconds += 1.0
    assert [(one.well, one.reason) for one in report.dependencies] == [(False, "timed_out"), (True, None)]
    assert len(started) == 1


def test_simultaneous_callers_share_one_answer(clock: ManualClock) -> None:
    """H-07: ten callers at once are one question."""
    dependency = Breakable()
    monitor = HealthMonitor({"a": dependency.check}, monotonic=clock.monotonic)
    threads = [threading.Thread(target=monitor.report) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dependency.asked == 1
