"""A real Redis for tests: on loopback, in a folder of its own, which can be killed, emptied and started again."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import used
from tests.servers.process import Running, free_port, start, wait_until

PASSWORD = "not-a-secret-0815"


class Redis:
    """One server that keeps nothing: what it forgets when it dies is what OpenDrape must be able to lose."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.port = folder, free_port()
        self._program = program
        self._running: Running | None = None

    @property
    def url(self) -> str:
        """Its address, with its password."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--requirepass", PASSWORD, "--dir", str(self.folder)]
        self._running = start(command, log=self.folder / "redis.log")
        wait_until(self._answers, self._running)

    def kill(self) -> None:
        """kill -9."""
        if self._running is not None:
            self._running.kill()
            self._running = None

    def flush(self) -> None:
        """Forget everything."""
        with contextlib.closing(self.client()) as client:
            client.flushall()

    def client(self) -> redis.Redis:
        """A connection for the test itself."""
        return redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), contextlib.closing(self.client()) as client:
            return bool(client.ping())
        return False


@contextlib.contextmanager
def redis_running(folder: Path) -> Iterator[Redis]:
    """A server in ``folder`` while the context lasts; the test is skipped where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        used.absent("Redis", "no redis-server on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    server = Redis(folder, program)
    server.start()
    with contextlib.closing(server.client()) as client:
        used.took_part("Redis", f"{client.info('server')['redis_version']}, on loopback, keeping nothing")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One server for all tests of this process; a test that kills it starts it again."""
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server
