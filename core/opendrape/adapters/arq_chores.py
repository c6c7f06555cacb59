"""Chores in a cluster: Redis and arq choose one process for each time; without Redis every process does them itself.

Redis holds no state of ours: who is next, for the next minute. Emptied, killed or frozen, it loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import SecretStr

from opendrape.adapters.thread_chores import ThreadChores, attend
from opendrape.errors import ConfigurationError
from opendrape.logging import get_log
from opendrape.ports.chores import Chore, ChoreBook, Chores
from opendrape.ports.clock import Clock

if TYPE_CHECKING:
    from arq import ArqRedis, Worker
    from arq.cron import CronJob
    from arq.typing import StartupShutdown, WorkerCoroutine

QUEUE: Final = "opendrape:chores"
_LONGEST_SECONDS: Final = 300
# Longer than clocks of two machines may differ: a time that was done is not done again by a late one.
_REMEMBER_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 5
_PAUSE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_log = get_log("chores")


class ArqChores(Chores):
    """An arq worker inside this process: JSON on the wire, one job per chore and time, no retries, no results kept."""

    def __init__(self, book: ChoreBook, url: SecretStr, clock: Clock) -> None:
        self._book, self._url = book, url
        self._alone = ThreadChores(book, clock)
        self._is_silent = False
        check_redis_url(url)

    def run(self, stop: threading.Event) -> None:
        """See the port. Redis may come and go."""
        while not stop.is_set():
            asyncio.run(self._until_silent(stop))
            if not stop.is_set():
                self._alone.tick()
                stop.wait(_PAUSE_SECONDS)

    async def _until_silent(self, stop: threading.Event) -> None:
        """Work until told to stop or until Redis does not answer."""
        from redis.exceptions import RedisError

        pool = self._connect()
        worker = self._worker(pool)
        working = asyncio.create_task(worker.async_run())
        try:
            while not (stop.is_set() or working.done()):
                await asyncio.wait([working], timeout=_LOOK_SECONDS)
                self._is_silent = self._is_silent and not worker.ctx.get("greeted")
            if working.done():
                working.result()
        except (RedisError, OSError) as error:
            self._say_once(error)
        finally:
            await _end(worker, working, pool)

    def _say_once(self, error: Exception) -> None:
        if not self._is_silent:
            _log.warning("redis_silent", exc_info=error)
        self._is_silent = True

    def _connect(self) -> ArqRedis:
        from arq import ArqRedis
        from redis.asyncio import ConnectionPool

        waits = {"socket_timeout": _ANSWER_SECONDS, "socket_connect_timeout": _ANSWER_SECONDS}
        pool: Any = ConnectionPool.from_url(self._url.get_secret_value(), **waits)
        return ArqRedis(
            pool,
            job_serializer=_to_json,
            job_deserializer=json.loads,
            default_queue_name=QUEUE,
            expires_extra_ms=60_000,
        )

    def _worker(self, pool: ArqRedis) -> Worker:
        from arq import Worker

        return Worker(
            cron_jobs=[_cron(chore) for chore in self._book],
            redis_pool=pool,
            queue_name=QUEUE,
            handle_signals=False,
            on_startup=cast("StartupShutdown", _greet),
            job_timeout=_LONGEST_SECONDS,
            keep_result=_REMEMBER_SECONDS,
            max_tries=1,
            retry_jobs=False,
            max_jobs=4,
            job_serializer=_to_json,
            job_deserializer=json.loads,
            log_results=False,
        )


def check_redis_url(url: SecretStr) -> None:
    """``ConfigurationError`` (``redis_url``) for an address that cannot be one; connects to nothing."""
    from redis import ConnectionPool

    try:
        ConnectionPool.from_url(url.get_secret_value())
    except ValueError:
        raise ConfigurationError("the address of Redis cannot be used", reason="redis_url") from None


def times_of_day(every_seconds: float) -> dict[str, set[int] | int | None]:
    """The hours, minutes and seconds at which something is due, the same on every machine; at least one second apart,
    at most one day.
    """
    if every_seconds < _MINUTE:
        return {"hour": None, "minute": None, "second": set(range(0, 60, max(1, round(every_seconds))))}
    if every_seconds < _HOUR:
        return {"hour": None, "minute": set(range(0, 60, round(every_seconds / _MINUTE))), "second": 0}
    return {"hour": set(range(0, 24, round(min(every_seconds, _DAY) / _HOUR))), "minute": 0, "second": 0}


def _cron(chore: Chore) -> CronJob:
    from arq import cron

    async def in_a_thread(_context: dict[Any, Any]) -> None:
        await asyncio.to_thread(attend, chore)

    when: dict[str, Any] = times_of_day(chore.every_seconds)
    return cron(
        cast("WorkerCoroutine", in_a_thread),
        name=chore.name,
        unique=True,
        keep_result=_REMEMBER_SECONDS,
        max_tries=1,
        **when,
    )


async def _greet(context: dict[Any, Any]) -> None:
    context["greeted"] = True


async def _end(worker: Worker, working: asyncio.Task[None], pool: ArqRedis) -> None:
    """Begin nothing new, let chores that run end, close the connections."""
    working.cancel()
    await asyncio.gather(working, *worker.tasks.values(), return_exceptions=True)
    with contextlib.suppress(Exception):
        await pool.aclose(close_connection_pool=True)


def _to_json(job: dict[str, Any]) -> bytes:
    return json.dumps(job).encode()
