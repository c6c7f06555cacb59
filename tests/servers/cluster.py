"""``make cluster``: the whole system on this machine, every part a process of its own, over real servers.

``python -m tests.servers.cluster up`` leaves a keeper behind that holds every process and ends them all when ``down``
tells it to. Nothing listens beyond loopback; the keys and data are in the folder given, and are gone with it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.servers.backends import backends
from tests.servers.fleet import fleet
from tests.servers.process import ROOT, start
from tests.servers.prometheus import prometheus

FOLDER = ROOT / "var" / "cluster"
MODELS = ROOT / "var" / "models"
_PATIENCE_SECONDS = 240


def main(arguments: list[str]) -> int:
    """One of up, status, run, down."""
    parser = argparse.ArgumentParser(prog="tests.servers.cluster", description=__doc__)
    parser.add_argument("act", choices=("up", "status", "run", "down", "keep"))
    parser.add_argument("input", nargs="?", type=Path, help="folder of videos (run)")
    parser.add_argument("--maskers", type=int, default=2)
    parser.add_argument("--policy", default="faces")
    parser.add_argument("--without-triton", action="store_true", help="models run in the maskers")
    chosen = parser.parse_args(arguments)
    acts = {"up": _up, "status": _status, "run": _run, "down": _down, "keep": _keep}
    return acts[chosen.act](chosen)


def _up(chosen: argparse.Namespace) -> int:
    if _keeper() is not None:
        print("the cluster is up already; make cluster-down ends it")
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, mode=0o700)
    more = ["--maskers", str(chosen.maskers), *(["--without-triton"] if chosen.without_triton else [])]
    keeper = start([sys.executable, "-m", "tests.servers.cluster", "keep", *more], log=FOLDER / "log.txt", folder=ROOT)
    (FOLDER / "keeper").write_text(str(keeper.process.pid))
    print(f"starting servers and services; their logs are in {FOLDER.relative_to(ROOT)}")
    end = time.monotonic() + _PATIENCE_SECONDS
    while not (FOLDER / "cluster.json").exists():
        if not keeper.is_alive() or time.monotonic() > end:
            keeper.stop()
            print("\n".join((FOLDER / "log.txt").read_text().splitlines()[-15:]), file=sys.stderr)
            return 1
        time.sleep(0.2)
    return _status(chosen)


def _keep(chosen: argparse.Namespace) -> int:
    """Hold everything until SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    MODELS.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "opendrape_masker.models_sync", "--models-dir", str(MODELS)]
    mirror = os.environ.get("OPENDRAPE_MODELS_MIRROR")
    subprocess.run([*command, *(["--mirror", mirror] if mirror else [])], cwd=ROOT, check=False)
    try:
        with ExitStack() as stack:
            behind = stack.enter_context(backends(FOLDER, MODELS, with_triton=not chosen.without_triton))
            services = stack.enter_context(fleet(FOLDER, behind.environment, maskers=chosen.maskers))
            ports = {name: service.port for name, service in services.items()}
            servers = behind.addresses()
            try:
                jobs = {service.kind: [] for service in services.values()}  # type: dict[str, list[str]]
                for service in services.values():
                    jobs[service.kind].append(f"127.0.0.1:{service.port}")
                watcher = stack.enter_context(prometheus(FOLDER / "prometheus", jobs))
                servers["Prometheus"] = f"http://127.0.0.1:{watcher.port}"
            except pytest.skip.Exception as reason:
                servers["Prometheus"] = f"not here: {reason}"
            _publish({"servers": servers, "services": ports, "environment": behind.environment})
            stop.wait()
    except pytest.skip.Exception as reason:
        print(f"the cluster cannot start: {reason}", file=sys.stderr)
        return 1
    return 0


def _publish(facts: dict[str, Any]) -> None:
    partial = FOLDER / "cluster.partial"
    partial.touch(mode=0o600)  # it holds the servers' passwords
    partial.write_text(json.dumps(facts))
    partial.rename(FOLDER / "cluster.json")


def _status(_chosen: argparse.Namespace) -> int:
    facts = _facts()
    if facts is None:
        print("the cluster is not up; make cluster starts it")
        return 1
    from tests.servers.fleet import Service

    for name, where in facts["servers"].items():
        print(f"  {name:12} {where}")
    well = True
    for name, port in facts["services"].items():
        status, body = Service("service", name, port, FOLDER / name, {}, FOLDER / name).health()
        asked = ", ".join(f"{one['name']} {one['status']}" for one in body.get("dependencies", ()))
        print(f"  {name:12} http://127.0.0.1:{port}/health {status} {asked}")
        well = well and status == 200
    return 0 if well else 1


def _run(chosen: argparse.Namespace) -> int:
    facts = _facts()
    if facts is None or chosen.input is None:
        print("name a folder of videos, and start the cluster first (make cluster)", file=sys.stderr)
        return 1
    environment = os.environ | facts["environment"] | {"OPENDRAPE_STATE_DIR": str(FOLDER / "client")}
    command = [sys.executable, "-m", "opendrape.cli", "run", str(chosen.input.absolute()), "--cluster"]
    return subprocess.run([*command, "--policy", chosen.policy], env=environment, cwd=ROOT).returncode


def _down(_chosen: argparse.Namespace) -> int:
    keeper = _keeper()
    if keeper is None:
        print("the cluster is not up")
        return 0
    os.kill(keeper, signal.SIGTERM)
    end = time.monotonic() + 60
    while _keeper() is not None and time.monotonic() < end:
        time.sleep(0.1)
    gone = _keeper() is None
    if gone:
        shutil.rmtree(FOLDER, ignore_errors=True)
    print("ended; its data is gone" if gone else "the keeper does not end; see var/cluster/log.txt")
    return 0 if gone else 1


def _facts() -> dict[str, Any] | None:
    if _keeper() is None or not (FOLDER / "cluster.json").exists():
        return None
    read: dict[str, Any] = json.loads((FOLDER / "cluster.json").read_text())
    return read


def _keeper() -> int | None:
    """The keeper's process id while it is ours and alive: a number may have been given to somebody else since."""
    try:
        number = int((FOLDER / "keeper").read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return number if b"tests.servers.cluster" in command else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
