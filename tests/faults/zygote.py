"""How hundreds of journeys each get a process that costs almost nothing: forked from one that has imported all.

``python -m tests.faults.zygote`` reads one order a line on its standard input and answers one line each.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.calls import Fault, Recorder

ROOT = Path(__file__).resolve().parents[2]
_ELSEWHERE = ("__main__", "triton_backend_model")
"""Modules that only another program can import: the start of a process, and what Triton's backend runs."""

_PACKAGES = ("opendrape", "opendrape_ingest", "opendrape_masker", "opendrape_uploader")


@dataclass(frozen=True)
class Order:
    """One command line to run. ``fault``: module, function, which call, kind of exception."""

    arguments: list[str]
    environment: dict[str, str]
    said: str
    fault: tuple[str, str, int, str] | None = None
    record: bool = False
    children_here: bool = True
    limit_seconds: float = 60.0


@dataclass(frozen=True)
class Ended:
    """What became of it. ``code`` is None when it had to be killed after ``limit_seconds``."""

    code: int | None
    happened: bool = False
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Zygote:
    """The parent's end."""

    def __init__(self) -> None:
        places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> Ended:
        """Run one order to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ended(**(answer | {"calls": [tuple(call) for call in answer["calls"]]}))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    """Import everything once, then fork for every order."""
    _import_all()
    gc.freeze()  # what all journeys share need not be looked through in each
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        print(json.dumps(asdict(_forked(json.loads(line)))), file=answers, flush=True)


def _import_all() -> None:
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith(_ELSEWHERE) and ".migrations" not in module.name:
                importlib.import_module(module.name)
    importlib.import_module("tests.faults.here")


def _forked(order: dict[str, Any]) -> Ended:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _live(order, write)
    os.close(write)
    said = _heard(read, order["limit_seconds"])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, _, used = os.wait4(child, 0)
    os.close(read)
    answer = json.loads(said) if said else {"code": None}
    return Ended(**answer, cpu_seconds=used.ru_utime + used.ru_stime)


def _heard(read: int, seconds: float) -> bytes:
    """Everything until the other end closes or the time is over."""
    said, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([read], [], [], left)
        if ready:
            piece = os.read(read, 1 << 20)
            if not piece or piece.endswith(b"\n"):
                return said + piece
            said += piece
    return b""


def _live(order: dict[str, Any], write: int) -> None:
    """Never returns: the forked process ends here, whatever its threads do."""
    code = 70
    try:
        os.setsid()
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ.update(order["environment"])
        os.write(write, json.dumps(_journey(order)).encode() + b"\n")
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of the process
        traceback.print_exc()
    os._exit(code)


def _journey(order: dict[str, Any]) -> dict[str, Any]:
    from opendrape.cli.main import run_command
    from tests.faults.here import run_children_here

    if order["children_here"]:
        run_children_here()
    module, name, at, kind = order["fault"] or ("", "", 0, "")
    watcher = Fault((module, name), at=at, kind=kind) if order["fault"] else Recorder()
    if order["fault"] or order["record"]:
        watcher.start()
    try:
        code = run_command(order["arguments"])
    except BaseException:  # noqa: BLE001 - what the interpreter itself would do
        traceback.print_exc()
        code = 1
    sys.setprofile(None)
    sys.stdout.flush()
    happened = isinstance(watcher, Fault) and watcher.happened
    calls = watcher.lines() if isinstance(watcher, Recorder) else []
    return {"code": int(code), "happened": happened, "calls": calls}


if __name__ == "__main__":
    main()
