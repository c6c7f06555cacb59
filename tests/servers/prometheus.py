"""A real Prometheus for tests: scrapes the addresses that a test gives it and answers queries."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import used
from tests.servers.process import Running, free_port, running, wait_until


class Prometheus:
    """A running server."""

    def __init__(self, port: int, process: Running) -> None:
        self.port, self._process = port, process

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Sorted labels (without ``job`` and ``instance``) -> value, of every series in the answer."""
        answer = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        found = answer["data"]["result"]
        return {_labels(series["metric"]): float(series["value"][1]) for series in found}

    def wait_until_scraped(self, *, seconds: float = 30.0) -> None:
        """Return once every target was scraped well."""
        wait_until(self._has_scraped, self._process, seconds=seconds)

    def wait_for(self, expression: str, *, seconds: float = 30.0) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the answer once there is one."""
        wait_until(lambda: bool(self.query(expression)), self._process, seconds=seconds)
        return self.query(expression)

    def _has_scraped(self) -> bool:
        targets = self._get("/api/v1/targets")["data"]["activeTargets"]
        return bool(targets) and all(target["health"] == "up" for target in targets)

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            read: dict[str, Any] = json.load(answer)
            return read


@contextlib.contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], *, rules: Sequence[Path] = (), interval_seconds: float = 1.0
) -> Iterator[Prometheus]:
    """A server that scrapes ``targets`` (job -> ``host:port`` addresses, path ``/metrics``) while the context lasts."""
    program = shutil.which("prometheus")
    if program is None:
        used.absent("Prometheus", "no prometheus on this machine")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "prometheus.json"  # JSON is YAML
    every = f"{round(interval_seconds * 1000)}ms"
    jobs = [{"job_name": job, "static_configs": [{"targets": list(where)}]} for job, where in targets.items()]
    settings = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    files = [str(path) for path in rules]
    configuration.write_text(json.dumps({"global": settings, "rule_files": files, "scrape_configs": jobs}))
    command = [program, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with running(command, log=folder / "prometheus.log", is_ready=lambda: _is_ready(port)) as process:
        used.took_part("Prometheus", _version(program))
        yield Prometheus(port, process)


def _labels(metric: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in metric.items() if name not in ("job", "instance")))


def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, urllib.error.URLError):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    return False


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=10)
    return (said.stdout or said.stderr).split(",")[0].removeprefix("prometheus, version ").strip()
