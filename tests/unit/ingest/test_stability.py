"""Are files deferred while they grow, and taken when they keep still (I-03)?"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePath

from opendrape_ingest.discover import Found, discover
from opendrape_ingest.stability import Patience, Restless, settle


class PatientClock:
    """Time passes only while somebody sleeps; then it makes things happen."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda _: None) -> None:
        self._now, self._meanwhile = 0.0, meanwhile

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self._now += seconds
        self._meanwhile(self._now)


def settled(root: Path, clock: PatientClock, *, stable: float = 2, wait: float = 10) -> list[Found | Restless]:
    files = [name for name in discover(root) if isinstance(name, Found)]
    return list(settle(root, files, Patience(stable, wait, clock, clock.sleep)))


def test_a_still_file_is_watched_for_the_whole_time(tmp_path):
    """I-03: an old modification time proves nothing; only watching does."""
    (tmp_path / "op.mp4").write_bytes(b"12345")
    os.utime(tmp_path / "op.mp4", (0, 0))
    clock = PatientClock()
    (file,) = settled(tmp_path, clock)
    assert isinstance(file, Found)
    assert 2 <= clock.monotonic() < 2.1


def test_a_file_that_stops_growing_is_taken_as_it_is_then(tmp_path):
    """I-03."""
    path = tmp_path / "op.mp4"
    path.write_bytes(b"")

    def grow(now: float) -> None:
        if now < 5:
            path.write_bytes(b"x" * int(now * 10))

    clock = PatientClock(grow)
    (file,) = settled(tmp_path, clock)
    assert isinstance(file, Found)
    assert file.size_bytes == path.stat().st_size > 0
    assert clock.monotonic() > 5


def test_a_file_that_grows_for_ever_is_deferred_and_does_not_hold_the_others(tmp_path):
    """I-03."""
    still, growing = tmp_path / "a.mp4", tmp_path / "b.mp4"
    still.write_bytes(b"1")
    growing.write_bytes(b"")
    clock = PatientClock(lambda now: growing.write_bytes(b"x" * int(now * 10)))
    first, second = settled(tmp_path, clock)
    assert first == Found(PurePath("a.mp4"), 1, still.stat().st_mtime_ns)
    assert isinstance(second, Restless)
    assert second.reason == "still_growing"
    assert 10 <= clock.monotonic() <= 12


def test_rewriting_in_place_counts_as_growing(tmp_path):
    """I-03: the size stays, the modification time does not."""
    path = tmp_path / "op.mp4"
    path.write_bytes(b"12345")
    clock = PatientClock(lambda now: os.utime(path, ns=(0, int(now * 10**9))))
    (file,) = settled(tmp_path, clock)
    assert isinstance(file, Restless)


def test_a_file_that_goes_away_is_reported(tmp_path):
    path = tmp_path / "op.mp4"
    path.write_bytes(b"1")
    (file,) = settled(tmp_path, PatientClock(lambda _: path.unlink(missing_ok=True)))
    assert isinstance(file, Restless)
    assert file.reason == "vanished"


def test_a_file_swapped_for_a_link_is_not_taken(tmp_path):
    """I-03."""
    path = tmp_path / "op.mp4"
    path.write_bytes(b"1")

    def swap(_: float) -> None:
        path.unlink()
        path.symlink_to("/etc/hostname")

    (file,) = settled(tmp_path, PatientClock(swap))
    assert isinstance(file, Restless)


def test_many_still_files_wait_as_long_as_one(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.mp4").write_bytes(b"1")
    clock = PatientClock()
    assert len(settled(tmp_path, clock)) == 200
    assert clock.monotonic() < 2.1


def test_without_a_stable_time_nothing_waits(tmp_path):
    (tmp_path / "op.mp4").write_bytes(b"1")
    clock = PatientClock()
    (file,) = settled(tmp_path, clock, stable=0, wait=0)
    assert isinstance(file, Found)
    assert clock.monotonic() == 0
