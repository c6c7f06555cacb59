"""O-01, O-03, H-07: the services as processes of their own, on one disk; the same code and ledger as in one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.media.footage import pattern
from tests.servers.fleet import Service, build, fleet, shared_folders, stop
from tests.servers.process import ROOT


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for number in range(3):
        pattern(folder / f"{number}.mp4", "-c:v", "libx264", "-g", "25", seconds=str(number + 1))
    return folder


def test_services_share_one_ledger_and_end_when_told(source: Path, tmp_path: Path) -> None:
    """O-01: `run --cluster` registers and follows, four kinds of processes do the work, SIGTERM ends each with 0."""
    environment = shared_folders(tmp_path, tmp_path / "models")
    with fleet(tmp_path, environment, maskers=2) as services:
        code, result = run_through(source, tmp_path, environment)
        assert (code, [asset["state"] for asset in result["assets"]]) == (0, ["delivered"] * 3), result
        assert all(asset["receipt_verified"] for asset in result["assets"])
        assert {service.name: service.health()[0] for service in services.values()} == dict.fromkeys(services, 200)
        assert b"opendrape_work_items_total" in services["ingest"].ask("/metrics")[1]
        assert services["uploader"].ask("/elsewhere")[0] == 404
        assert ends_of(services) == dict.fromkeys(services, 0)


def test_a_killed_masker_costs_nothing(source: Path, tmp_path: Path) -> None:
    """O-03: kill -9 of a masker that holds work; another one, started afterwards, brings everything home once."""
    environment = shared_folders(tmp_path, tmp_path / "models")
    with fleet(tmp_path, environment, maskers=1) as services:
        client = subprocess.Popen(
            client_command(source), env=client_environment(tmp_path, environment), stdout=subprocess.PIPE
        )
        masker = services["masker-1"]
        wait_for_work(masker)
        assert masker.process is not None
        masker.process.kill()
        masker.start()
        said, _ = client.communicate(timeout=120)
    result = json.loads(said)
    assert [asset["state"] for asset in result["assets"]] == ["delivered"] * 3, result
    assert len(list((tmp_path / "out").rglob("*.mp4"))) == 3


def test_health_names_the_dependency_that_is_away(tmp_path: Path) -> None:
    """H-07: a service whose storage is gone is alive, not ready, and says which dependency it is."""
    services = build(tmp_path, shared_folders(tmp_path, tmp_path / "models"))
    uploader = services["uploader"]
    try:
        uploader.start()
        assert uploader.health()[0] == 200
        (tmp_path / "work").rename(tmp_path / "away")
        status, body = until_unready(uploader)
        assert status == 503
        assert {one["name"] for one in body["dependencies"] if one["status"] == "failed"} == {"work_storage"}
        assert uploader.is_alive()
    finally:
        stop(services)


def test_wrong_settings_end_a_service_with_a_sentence(tmp_path: Path) -> None:
    """C-02: exit code 3 and the variable's name, never its value."""
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(tmp_path), "OPENDRAPE_WORK__LEASE_SECONDS": "soon"}
    for kind in ("ingest", "masker", "uploader", "gateway"):
        done = subprocess.run(
            [sys.executable, "-m", f"opendrape_{kind}"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 3
        assert "OPENDRAPE_WORK__LEASE_SECONDS" in done.stderr
        assert "soon" not in done.stderr


def run_through(source: Path, folder: Path, environment: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        client_command(source),
        env=client_environment(folder, environment),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def client_command(source: Path) -> list[str]:
    arguments = ["run", str(source), "--cluster", "--policy", "minimal", "--json", "--quiet"]
    return [sys.executable, "-m", "opendrape.cli", *arguments]


def client_environment(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    return os.environ | environment | {"OPENDRAPE_STATE_DIR": str(folder / "client")}


def wait_for_work(masker: Service) -> None:
    for line in lines_of(masker.folder / "log.txt"):
        if "work_started" in line:
            return


def lines_of(log: Path) -> Iterator[str]:
    """The log's lines as they come."""
    with log.open() as reader:
        while True:
            yield reader.readline()


def until_unready(service: Service) -> tuple[int, dict[str, Any]]:
    while True:  # the answer is kept for a second
        status, body = service.health()
        if status != 200:
            return status, body


def ends_of(services: dict[str, Service]) -> dict[str, int]:
    processes = {name: service.process for name, service in services.items() if service.process}
    for process in processes.values():
        process.process.send_signal(signal.SIGTERM)
    return {name: process.process.wait(30) for name, process in processes.items()}
