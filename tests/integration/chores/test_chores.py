"""O-01, O-03: short chores in one process and over a real Redis, which may be emptied, killed and frozen."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from opendrape.adapters.arq_chores import ArqChores, times_of_day
from opendrape.adapters.system_clock import SystemClock
from opendrape.adapters.thread_chores import ThreadChores
from opendrape.errors import CatalogueUnavailable, ConfigurationError
from opendrape.ports.chores import ChoreBook, Chores
from tests.fakes.bench import until
from tests.fakes.clock import FakeClock
from tests.servers.redis import PASSWORD, Redis


class Diary:
    """Which process did the chore in which second."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, int]] = []

    def book(self, process: str) -> ChoreBook:
        book = ChoreBook()
        book.add("sweep_ledger", every_seconds=1, act=lambda: self._note(process))
        book.add("always_fails", every_seconds=1, act=_fail)
        return book

    def _note(self, process: str) -> None:
        self.acts.append((process, int(datetime.now(UTC).timestamp())))

    def wait_for_more(self, number: int) -> None:
        before = len(self.acts)
        until(lambda: len(self.acts) >= before + number)


def _fail() -> None:
    raise CatalogueUnavailable


@contextlib.contextmanager
def _running(*chores: Chores) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in chores]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def _two_processes(redis_server: Redis, diary: Diary) -> list[Chores]:
    url = SecretStr(redis_server.url)
    return [ArqChores(diary.book(process), url, SystemClock()) for process in ("one", "two")]


def _is_chosen_by_redis(redis_server: Redis) -> Callable[[], bool]:
    def asked() -> bool:
        with contextlib.closing(redis_server.client()) as client:
            return bool(client.keys("arq:result:sweep_ledger:*"))

    return asked


@pytest.mark.timeout(120)
def test_two_processes_share_the_chores_through_redis_and_nothing_pickled_is_in_it(redis_server: Redis) -> None:
    """O-01: each time is done by one of them; Redis holds JSON and no secret."""
    redis_server.flush()
    diary = Diary()
    with _running(*_two_processes(redis_server, diary)):
        diary.wait_for_more(4)
        with contextlib.closing(redis_server.client()) as client:
            kept = [(key, client.get(key)) for key in client.keys("arq:*") if client.type(key) == b"string"]
    # two of one second: one was late for its own second
    assert max(Counter(second for _, second in diary.acts).values()) <= 2
    assert len(diary.acts) <= 2 + diary.acts[-1][1] - diary.acts[0][1] + 1
    assert kept
    assert all(value is None or value[:1] in b'{0123456789"' for _, value in kept)


@pytest.mark.timeout(120)
def test_redis_emptied_killed_and_started_again_loses_no_chore(redis_server: Redis) -> None:
    """O-03: nothing of ours is in Redis, so nothing is lost with it."""
    redis_server.flush()
    diary = Diary()
    with _running(*_two_processes(redis_server, diary)):
        until(_is_chosen_by_redis(redis_server))
        redis_server.flush()
        until(_is_chosen_by_redis(redis_server))
        redis_server.kill()
        diary.wait_for_more(3)
        redis_server.start()
        until(_is_chosen_by_redis(redis_server))
        diary.wait_for_more(2)


@pytest.mark.timeout(120)
def test_a_process_that_starts_without_redis_works_and_joins_later(redis_server: Redis) -> None:
    """O-03."""
    redis_server.kill()
    diary = Diary()
    try:
        with _running(*_two_processes(redis_server, diary)):
            diary.wait_for_more(2)
            redis_server.start()
            until(_is_chosen_by_redis(redis_server))
    finally:
        redis_server.kill()
        redis_server.start()


def test_in_one_process_a_chore_is_done_when_its_time_has_come_and_one_that_fails_stops_nobody() -> None:
    """O-01: no server needed."""
    clock, done = FakeClock(), Counter[str]()
    book = ChoreBook()
    book.add("fails", every_seconds=1, act=_fail)
    book.add("breaks", every_seconds=1, act=lambda: 1 // 0)
    book.add("often", every_seconds=10, act=lambda: done.update(["often"]))
    book.add("seldom", every_seconds=100, act=lambda: done.update(["seldom"]))
    chores = ThreadChores(book, clock)
    for _ in range(20):
        chores.tick()
        clock.advance(10)
    assert done == {"often": 20, "seldom": 2}


def test_a_name_is_taken_once() -> None:
    book = ChoreBook()
    book.add("sweep", every_seconds=1, act=_fail)
    with pytest.raises(ValueError, match="sweep"):
        book.add("sweep", every_seconds=2, act=_fail)


@pytest.mark.parametrize(
    ("every", "seconds", "minutes", "hours"),
    [(0.2, 60, 60, 24), (5, 12, 60, 24), (45, 2, 60, 24), (300, 1, 12, 24), (3600, 1, 1, 24), (86400, 1, 1, 1)],
)
def test_an_interval_becomes_times_that_are_the_same_on_every_machine(
    every: float, seconds: int, minutes: int, hours: int
) -> None:
    when = times_of_day(every)
    counts = {"second": 60, "minute": 60, "hour": 24}
    found = {
        name: len(value) if isinstance(value, set) else 1 if value is not None else counts[name]
        for name, value in when.items()
    }
    assert found == {"second": seconds, "minute": minutes, "hour": hours}


def test_an_address_that_is_none_is_refused_without_its_password() -> None:
    """P-05."""
    with pytest.raises(ConfigurationError) as refused:
        ArqChores(ChoreBook(), SecretStr(f"http://:{PASSWORD}@127.0.0.1"), FakeClock())
    assert refused.value.reason == "redis_url"
    assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"
