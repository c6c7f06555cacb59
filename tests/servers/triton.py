"""How does a real Triton server run beside a test: on the processor, with its Python backend, on free ports?

The server comes from the wheel in ``.servers/triton`` (``make servers``); its backend's program is laid beside the
backend, as the wheel's own launcher does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import process
from tests.servers.used import absent, took_part

_HOME = process.SERVERS / "triton"


@dataclass
class Triton:
    """A server over ``models`` (a folder of rendered models). The ports stay the same when it is started again."""

    models: Path
    folder: Path
    grpc_port: int
    http_port: int
    metrics_port: int
    running: process.Running | None = None

    @classmethod
    def over(cls, models: Path, folder: Path) -> Triton:
        """A server that is not started yet; ``folder`` is its own."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(models, folder, process.free_port(), process.free_port(), process.free_port())

    @property
    def url(self) -> str:
        """Where its gRPC is."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def _shared(self) -> str:
        return f"opendrape_triton_{self.grpc_port}_"

    def start(self, *, seconds: float = 60.0, wait_for: str = "ready") -> None:
        """Start it and wait until it and every model are ``ready`` (or only until it is ``live``)."""
        packages = _packages()
        environment = {
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
            # the backend's interpreter takes the packages of the `python3` that it finds first
            "PATH": f"{_HOME / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [str(packages / "pytriton/tritonserver/bin/tritonserver"), *self._options(_backends(self.folder))]
        self.running = process.start(command, log=self.folder / "triton.log", environment=environment)
        process.wait_until(lambda: self.is_well(wait_for), self.running, seconds=seconds)
        took_part("Triton", "tritonserver 2.51.0 with its Python backend, on the processor")

    def stop(self) -> None:
        """End it and take away the memory that its backend shares, which a killed one leaves; idempotent."""
        if self.running is not None:
            self.running.stop()
        for left in Path("/dev/shm").glob(f"{self._shared}*"):
            left.unlink(missing_ok=True)

    def is_well(self, how: str = "ready") -> bool:
        """True when the server says so of itself: ``live``, or ``ready`` with every model."""
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/v2/health/{how}", timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def metrics(self) -> str:
        """What it counts."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def _options(self, backends: Path) -> Iterator[str]:
        yield from (f"--model-repository={self.models}", f"--backend-directory={backends}")
        for name, port in (("grpc", self.grpc_port), ("http", self.http_port), ("metrics", self.metrics_port)):
            yield from (f"--{name}-address=127.0.0.1", f"--{name}-port={port}")
        yield from ("--strict-readiness=true", "--disable-auto-complete-config", "--exit-on-error=false")
        yield f"--backend-config=python,shm-region-prefix-name={self._shared}"
        yield from ("--exit-timeout-secs=3", "--http-thread-count=1")


@contextlib.contextmanager
def triton(models: Path, folder: Path) -> Iterator[Triton]:
    """A started server while the context lasts; skips the test where there is none."""
    server = Triton.over(models, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _packages() -> Path:
    """Where the wheel was installed; skips the test when it, or what its backend needs, is not there."""
    found = next(iter((_HOME / "lib").glob("python3.*/site-packages")), None)
    if found is None or not (found / "pytriton/tritonserver/bin/tritonserver").is_file():
        absent("Triton", "not in .servers/triton; run make servers")
    if not (found / "onnxruntime").is_dir():
        absent("Triton", "its Python lacks onnxruntime; run make servers again")
    return found


def _backends(folder: Path) -> Path:
    """The Python backend with the program for the Python that its packages are installed for."""
    packages, backends = _packages(), folder / "backends"
    if not backends.is_dir():
        shutil.copytree(packages / "pytriton/tritonserver/backends", backends)
        python = packages.parent.name.removeprefix("python")
        stub = packages / "pytriton/tritonserver/python_backend_stubs" / python / "triton_python_backend_stub"
        shutil.copy2(stub, backends / "python" / stub.name)
    return backends
