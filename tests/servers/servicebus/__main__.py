"""The stand-in as a process: ``python -m tests.servers.servicebus --port N --db FILE --queue NAME...``.

Prints its connection string once it listens. Ended by a signal, also by SIGKILL: what was accepted is in the file.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from tests.servers.servicebus.broker import Broker
from tests.servers.servicebus.control import serve_control
from tests.servers.servicebus.store import QueueRules, Store


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    chosen = _parser().parse_args(arguments)
    store = Store(chosen.db)
    rules = QueueRules(chosen.lock_seconds, chosen.max_deliveries, chosen.duplicate_seconds)
    for queue in chosen.queue:
        store.declare(queue, rules)
    try:
        asyncio.run(_serve(store, chosen.port, chosen.control_port))
    finally:
        store.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.servers.servicebus", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="AMQP, loopback only; 0: any free one")
    parser.add_argument("--control-port", type=int, help="faults and counts over HTTP; none without it")
    parser.add_argument("--db", default=":memory:", help="SQLite file; memory without it")
    parser.add_argument("--queue", action="append", default=[], metavar="NAME", help="a queue; repeatable")
    parser.add_argument("--lock-seconds", type=float, default=60.0)
    parser.add_argument("--max-deliveries", type=int, default=10)
    parser.add_argument("--duplicate-seconds", type=float, default=0.0, help="0: duplicates are not looked for")
    return parser


async def _serve(store: Store, port: int, control_port: int | None) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Broker(store, port) as broker:
        control = None if control_port is None else await serve_control(broker, control_port)
        print(broker.connection_string, flush=True)
        await ended.wait()
        if control is not None:
            control.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
