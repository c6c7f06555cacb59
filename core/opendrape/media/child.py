"""How is untrusted media touched only in a child process, watched, bounded and always reaped?

The parent side is :func:`run_child`; the child's module calls :func:`serve`. The child is started as
``python -m opendrape.media.child_entry <module>``, which puts the walls of ``opendrape.media.confine`` around itself
before the module (and so any native library) is loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from opendrape.errors import ChildCrashed
from opendrape.media.child_messages import Json, Lines, parse_message, raise_error
from opendrape.media.child_side import serve

__all__ = ["ChildLimits", "Json", "child_environment", "run_child", "serve"]

_TICK_SECONDS = 0.5
_LAST_BREATH_SECONDS = 10.0
_STDERR_TAIL = 4096
_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TZ", "VIRTUAL_ENV")
_MEASURED_VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_CORE")
_FIXED_VARIABLES = {
    "PYTHONUTF8": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # large tensors come from the system one by one and go back there: left to itself, glibc scatters them over heaps
    # that it never gives back (1080p, CenterFace alone: 820 MB instead of 960); smaller blocks stay: they come often
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
}


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child may use: bytes of address space, seconds between two messages, files and folders by path."""

    memory_bytes: int
    silence_seconds: float
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()


def _nothing(_: Json) -> None:
    return


def _no_news() -> None:
    return


def run_child(
    module: str,
    spec: dict[str, Any],
    *,
    pass_descriptors: Sequence[int] = (),
    limits: ChildLimits,
    on_message: Callable[[Json], None] = _nothing,
    on_idle: Callable[[], None] = _no_news,
) -> Json:
    """Run ``module`` as a confined child, hand it ``spec`` and return its result; both are JSON objects.

    ``pass_descriptors`` keep their numbers in the child and share their file offset with it. ``on_message`` gets every
    message as it comes; ``on_idle`` is called about twice a second while there is none. What either raises (a lost
    lease, a shutdown) ends the child and goes on to the caller. An ``OpenDrapeError`` of the child is raised here
    as the same class with the same reason. :class:`ChildCrashed` says by its reason how a child died: ``child_silent``,
    ``child_memory``, ``child_error``, ``child_protocol``, ``child_no_result``, ``child_killed`` or ``child_<signal>``.

    Blocks; call it from the thread that waits for the result: the kernel ends the child with that thread. When it
    returns or raises, the child is gone and reaped, and no descriptor is left open.
    """
    with _started(module, spec, pass_descriptors, limits) as child:
        return child.watch(limits.silence_seconds, on_message, on_idle)


def child_environment() -> dict[str, str]:
    """The environment of a child: what Python needs to find its packages, nothing that configures OpenDrape."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES + _MEASURED_VARIABLES if name in os.environ}
    return kept | _FIXED_VARIABLES


@contextlib.contextmanager
def _started(
    module: str, spec: dict[str, Any], descriptors: Sequence[int], limits: ChildLimits
) -> Iterator[_RunningChild]:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as channel:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "opendrape.media.child_entry", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=child_environment(),
                pass_fds=(*descriptors, write_end),
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        try:
            yield _RunningChild(process, channel, _envelope(spec, limits, write_end))
        finally:
            _end(process)


def _envelope(spec: dict[str, Any], limits: ChildLimits, channel: int) -> bytes:
    """One line for the child's standard input; the pipe stays open afterwards as the sign that the parent lives."""
    order = {
        "channel": channel,
        "parent": os.getpid(),
        "memory_bytes": limits.memory_bytes,
        "readable": [str(path.absolute()) for path in limits.readable],
        "writable": [str(path.absolute()) for path in limits.writable],
        "spec": spec,
    }
    return json.dumps(order).encode() + b"\n"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's process group and reap the child."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()


@dataclass
class _RunningChild:
    """One child under watch: feeds its order, reads its messages, drains its standard error."""

    process: subprocess.Popen[bytes]
    channel: BinaryIO
    unsent: bytes
    lines: Lines = field(default_factory=Lines)
    complaint: bytes = b""
    outcome: Json | None = None

    def watch(self, silence_seconds: float, on_message: Callable[[Json], None], on_idle: Callable[[], None]) -> Json:
        heard = time.monotonic()
        with self._selector() as selector:
            while self._is_open(selector) and self.outcome is None:
                messages = self._turn(selector)
                for message in messages:
                    on_message(message)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > silence_seconds:
                    raise ChildCrashed(reason="child_silent")
                else:
                    on_idle()
            self._let_it_end(selector)
        if self.outcome is None:
            raise ChildCrashed(reason=self._cause_of_death())
        return self._result(self.outcome)

    def _selector(self) -> selectors.BaseSelector:
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        selector = selectors.DefaultSelector()
        for pipe, events in (
            (self.channel, selectors.EVENT_READ),
            (self.process.stderr, selectors.EVENT_READ),
            (self.process.stdin, selectors.EVENT_WRITE),
        ):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, events)
        return selector

    def _is_open(self, selector: selectors.BaseSelector) -> bool:
        return self.channel in selector.get_map()

    def _turn(self, selector: selectors.BaseSelector) -> list[Json]:
        """Do what the pipes allow now, waiting half a second at most; returns the child's messages."""
        messages: list[Json] = []
        for key, _ in selector.select(_TICK_SECONDS):
            if key.fileobj is self.process.stdin:
                self._feed(selector)
            elif key.fileobj is self.process.stderr:
                self._listen(selector)
            else:
                messages += self._receive(selector)
        return messages

    def _feed(self, selector: selectors.BaseSelector) -> None:
        assert self.process.stdin is not None
        try:
            self.unsent = self.unsent[os.write(self.process.stdin.fileno(), self.unsent[:65536]) :]
        except BrokenPipeError:
            self.unsent = b""
        if not self.unsent:
            selector.unregister(self.process.stdin)

    def _listen(self, selector: selectors.BaseSelector) -> None:
        """Keep the last words, to find a cause of death; they may carry tags of the media and are never passed on."""
        assert self.process.stderr is not None
        said = os.read(self.process.stderr.fileno(), 65536)
        self.complaint = (self.complaint + said)[-_STDERR_TAIL:]
        if not said:
            selector.unregister(self.process.stderr)

    def _receive(self, selector: selectors.BaseSelector) -> list[Json]:
        arrived = os.read(self.channel.fileno(), 1 << 20)
        if not arrived:
            selector.unregister(self.channel)
        messages: list[Json] = []
        for line in self.lines.split(arrived):
            kind, body = parse_message(line)
            if kind == "message":
                messages.append(body)
            else:
                self.outcome = {"kind": kind, "body": body}
        return messages

    def _let_it_end(self, selector: selectors.BaseSelector) -> None:
        """A child that has said its last word (or closed the channel) gets some seconds to leave by itself."""
        deadline = time.monotonic() + _LAST_BREATH_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if selector.get_map():
                selector.select(0.01)
                self._drain(selector)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.01)
        self._drain(selector)

    def _drain(self, selector: selectors.BaseSelector) -> None:
        if self.process.stderr in selector.get_map():
            with contextlib.suppress(BlockingIOError):
                self._listen(selector)

    def _result(self, outcome: Json) -> Json:
        if outcome["kind"] == "error":
            raise_error(outcome["body"])
        result: Json = outcome["body"]
        return result

    def _cause_of_death(self) -> str:
        code = self.process.returncode
        if any(sign in self.complaint for sign in (b"MemoryError", b"bad_alloc", b"Cannot allocate memory")):
            return "child_memory"
        if code is None:
            return "child_silent"
        if code == -signal.SIGKILL:
            return "child_killed"
        return f"child_{signal.Signals(-code).name.lower()}" if code < 0 else "child_no_result"
