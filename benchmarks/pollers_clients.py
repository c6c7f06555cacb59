"""Who asks how far it is: pollers and event streams in a process of their own, on plain sockets that cost little.

One line of JSON comes in, of form ``Task``; when standard input ends, one line goes out, of form ``Told``.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Task:
    """Every key asks once in ``every_seconds`` on a connection that stays open; the first ``streams`` also listen."""

    port: int
    video: str
    keys: tuple[str, ...]
    streams: int
    every_seconds: float = 5.0


@dataclass(frozen=True)
class Told:
    """What came of it."""

    asked: int
    refused: int
    reconnected: int
    median_ms: float
    late_ms: float
    streams: int
    events: int
    cpu_seconds: float


@dataclass
class Tally:
    """Counted as it happens."""

    seconds: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def told(self, cpu_seconds: float) -> Told:
        """Summed up."""
        times = sorted(self.seconds) or [0.0]
        return Told(
            asked=len(self.seconds),
            refused=self.counts["refused"],
            reconnected=self.counts["reconnected"],
            median_ms=1000 * statistics.median(times),
            late_ms=1000 * times[min(len(times) - 1, int(0.95 * len(times)))],
            streams=self.counts["streams"],
            events=self.counts["events"],
            cpu_seconds=cpu_seconds,
        )


def request(path: str, key: str) -> bytes:
    """A request that keeps its connection."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


async def poll(task: Task, key: str, tally: Tally) -> None:
    """Ask, wait, ask; a connection that the server closed meanwhile is opened again."""
    asked = request(f"/api/videos/{task.video}/progress/", key)
    due = time.monotonic() + random.uniform(0, task.every_seconds)
    reader = writer = None
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += task.every_seconds
        begun = time.monotonic()
        for _ in range(2):
            try:
                if writer is None or reader is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
                writer.write(asked)
                status = await _answer(reader)
                break
            except (OSError, asyncio.IncompleteReadError):
                reader = writer = None
                tally.counts["reconnected"] += 1
        else:
            status = 0
        tally.seconds.append(time.monotonic() - begun)
        tally.counts["refused"] += status != 200


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    return int(head.split()[1])


async def listen(task: Task, key: str, tally: Tally) -> None:
    """One event stream, until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    writer.write(request(f"/api/videos/{task.video}/events/", key))
    head = await reader.readuntil(b"\r\n\r\n")
    tally.counts["streams"] += head.split()[1] == b"200"
    while line := await reader.readline():
        tally.counts["events"] += line.startswith(b"event:")


async def ask(task: Task, until: asyncio.StreamReader) -> Tally:
    """Everybody at once, until standard input ends."""
    tally = Tally()
    running = [asyncio.create_task(poll(task, key, tally)) for key in task.keys]
    running += [asyncio.create_task(listen(task, key, tally)) for key in task.keys[: task.streams]]
    await until.read()
    for one in running:
        one.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    tally.counts["refused"] += sum(isinstance(one, Exception) for one in ended)
    return tally


async def main() -> None:
    """From standard input to standard output."""
    loop, given = asyncio.get_running_loop(), asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(given), sys.stdin)
    line = await given.readline()
    if not line:
        return
    task = json.loads(line)
    begun = time.process_time()
    tally = await ask(Task(**task | {"keys": tuple(task["keys"])}), given)
    print(json.dumps(asdict(tally.told(time.process_time() - begun))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
