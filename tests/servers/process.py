"""How is a real server started beside a test: a child process on loopback, its log in a file, ended by its own id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVERS = Path(os.environ.get("OPENDRAPE_SERVERS") or ROOT / ".servers")
"""Where ``make servers`` puts what is not a Debian package."""


class ServerDied(Exception):
    """The server ended, or never answered; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Running:
    """A server process. ``log`` holds everything that it wrote."""

    process: subprocess.Popen[bytes]
    log: Path

    def is_alive(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would; its children too."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stop it without ending it: the ports stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self, *, seconds: float = 10.0, by: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, then kill it. Idempotent."""
        if self.is_alive():
            self._signal(by)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        if self.is_alive():
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)  # its own session: see start()


def start(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Running:
    """Start a server in a session of its own, output appended to ``log``."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    return Running(process, log)


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    is_ready: Callable[[], bool],
    seconds: float = 30.0,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[Running]:
    """A server that answers (``is_ready``) while the context lasts; ``ServerDied`` when it does not in time."""
    server = start(command, log=log, environment=environment, folder=folder)
    try:
        wait_until(is_ready, server, seconds=seconds)
        yield server
    finally:
        server.stop()


def wait_until(is_ready: Callable[[], bool], server: Running, *, seconds: float = 30.0) -> None:
    """Return once the server answers."""
    end = time.monotonic() + seconds
    while not is_ready():
        if not server.is_alive() or time.monotonic() > end:
            raise ServerDied("\n".join(server.log.read_text(errors="replace").splitlines()[-30:]))
        time.sleep(0.05)


def free_port() -> int:
    """A loopback port that is free now; somebody else may take it, so start at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    """True when something accepts connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
