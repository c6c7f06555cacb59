"""The stand-in as a process beside a test: started, killed, started again on the same port and file."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers.process import ROOT, Running, free_port, listens, start, wait_until


class BrokerProcess:
    """One file, two ports, and at most one process at a time."""

    def __init__(self, folder: Path, *queues: str, lock_seconds: float = 60.0, max_deliveries: int = 10) -> None:
        self._folder, self._queues = folder, queues
        self._options = ("--lock-seconds", str(lock_seconds), "--max-deliveries", str(max_deliveries))
        self.port, self.control_port = free_port(), free_port()
        self._running: Running | None = None

    def start(self) -> None:
        """Start it, again if it was killed, and wait until it listens."""
        queues = [word for queue in self._queues for word in ("--queue", queue)]
        ports = ("--port", str(self.port), "--control-port", str(self.control_port))
        command = [sys.executable, "-m", "tests.servers.servicebus", *ports, "--db", str(self._folder / "bus.sqlite3")]
        log = self._folder / "bus.log"
        self._running = start([*command, *queues, *self._options], log=log, folder=ROOT)
        wait_until(lambda: listens(self.control_port), self._running)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._running is not None
        self._running.kill()

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._running is not None:
            self._running.stop()

    def fault(self, name: str, **arguments: Any) -> Any:
        """Call a fault of the broker by name."""
        body = json.dumps(arguments).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.control_port}/faults/{name}", body, method="POST")
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            return json.loads(answer.read())["result"]

    @property
    def connection_string(self) -> str:
        """What the SDK needs to come here."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=stand-in;"
            "SharedAccessKey=c3RhbmQtaW4=;UseDevelopmentEmulator=true"
        )
